// Runs the tests of the page, or says in one line what the machine lacks (exit code 77). The files run
// side by side: much of what they do is to wait for the next second. What each says comes as a whole.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installed, openBrowser, Product } from "./product.mjs";

installed("playwright-core");
installed("axe-core");
const browser = await openBrowser();
await browser.close();
const product = await Product.start(); // skips where this build has no page
await product.stop();

const here = dirname(fileURLToPath(import.meta.url));
const results = await Promise.all(["views", "past", "ends"].map((name) => new Promise((resolve) => {
  const tests = spawn(process.execPath, ["--test", join(here, `${name}.test.mjs`)], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  tests.stdout.on("data", (data) => { said += data; });
  tests.on("close", (code) => {
    process.stdout.write(said);
    resolve(code ?? 1);
  });
})));
process.exit(Math.max(...results));
