// Runs the tests of the page, or says in one line what the machine lacks (exit code 77).
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installed, openBrowser, Product } from "./product.mjs";

installed("playwright-core");
installed("axe-core");
const browser = await openBrowser();
await browser.close();
const product = await Product.start(); // skips where this build has no page
await product.stop();
const tests = join(dirname(fileURLToPath(import.meta.url)), "page.test.mjs");
process.exit(spawnSync(process.execPath, ["--test", tests], { stdio: "inherit" }).status ?? 1);
