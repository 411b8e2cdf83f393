#!/usr/bin/env node
// screenshots.mjs [DIRECTORY]: pictures of the page, of the running product with frames of a grid
// that does not exist (tests/browser/grid_sender.py). Needs a build with tests, and chromium.
import { join } from "node:path";
import { openBrowser, Product, sleep } from "../tests/browser/product.mjs";

const directory = process.argv[2] ?? "docs/pictures";
const WARM_UP_MS = 30_000; // so that the small charts have something to show

const product = await Product.start();
product.grid(12, 40, "--vary");
const browser = await openBrowser();
async function shoot(name, colorScheme, hash) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme })).newPage();
  await page.goto(product.url + hash);
  await sleep(WARM_UP_MS);
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await page.context().close();
  console.log(`${name}.png`);
}
await Promise.all([
  shoot("grid", "dark", "#/"), shoot("host", "light", "#/host/hv-0007.example?column=-cpu"),
]);
await browser.close();
await product.stop();
process.exit(0);
