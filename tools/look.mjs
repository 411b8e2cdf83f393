#!/usr/bin/env node
// look.mjs DIRECTORY [HOSTS...]: a picture of every view, at many sizes and numbers of hosts, light
// and dark, for people to look at; and a line for each word that is cut where no ellipsis says so.
// Needs a build with tests, and chromium.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBrowser, Product, sleep, until } from "../tests/browser/product.mjs";

const [directory, ...asked] = process.argv.slice(2);
if (!directory) {
  console.error("Usage: look.mjs DIRECTORY [HOSTS...]");
  process.exit(2);
}
mkdirSync(directory, { recursive: true });
const GRIDS = asked.length > 0 ? asked.map(Number) : [1, 12, 200, 1000];
const SIZES = [[390, 844], [768, 1024], [1280, 800], [1920, 1080], [2560, 1440]];
const VMS = 40;
const browser = await openBrowser();

/** Words that are cut, and things beyond the window's right edge. */
function faultsOf() {
  const found = [];
  const name = (element) => `${element.tagName.toLowerCase()}.${element.className} "${element.textContent.slice(0, 40)}"`;
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || element.closest("[hidden], .u-wrap, .scroll-x")) continue;
    if (box.right > innerWidth + 1) found.push(`beyond the window: ${name(element)}`);
    const style = getComputedStyle(element);
    const isCut = element.scrollWidth > element.clientWidth + 1 && style.overflowX === "hidden" && style.textOverflow !== "ellipsis";
    if (isCut && element.clientWidth > 0 && element.children.length === 0) found.push(`cut: ${name(element)}`);
  }
  return found;
}

async function shoot(product, name, hash, [width, height], colorScheme, { fullPage = false, before = async () => {} } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  const page = await context.newPage();
  await page.goto(product.url + hash);
  await before(page);
  await sleep(2500);
  const file = `${name}-${width}-${colorScheme}.png`;
  for (const fault of await page.evaluate(faultsOf)) console.log(`${file}: ${fault}`);
  await page.screenshot({ path: join(directory, file), fullPage });
  if (fullPage) {
    // The page scrolls inside of <main>: as high a window as it needs.
    const tall = await page.evaluate(() => document.querySelector("main").scrollHeight + document.querySelector("main").getBoundingClientRect().top);
    await page.setViewportSize({ width, height: Math.min(4000, Math.ceil(tall)) });
    await sleep(1500);
    await page.screenshot({ path: join(directory, file) });
  }
  await context.close();
}

async function ofGrid(hosts) {
  const store = mkdtempSync(join(tmpdir(), "virtpulse-"));
  const product = await Product.start({ database: join(store, "grid.db") });
  product.grid(hosts, VMS, "--vary");
  await sleep(8000);
  const tiles = async (page) => void await until("all tiles", () => page.evaluate((count) => document.querySelectorAll("a.tile").length >= Math.min(count, 20), hosts), 60);
  for (const size of SIZES) {
    for (const scheme of ["dark", "light"]) await shoot(product, `grid-${hosts}`, "#/", size, scheme, { before: tiles });
  }
  for (const size of [SIZES[0], SIZES[2], SIZES[4]]) {
    for (const scheme of ["dark", "light"]) {
      if (hosts > 1) await shoot(product, `worst-${hosts}`, "#/worst", size, scheme);
      if (hosts === 12) await everyView(product, size, scheme);
    }
  }
  await product.stop();
  rmSync(store, { recursive: true });
}

async function everyView(product, size, scheme) {
  const full = { fullPage: true };
  const vm = "00000007-0003-4000-8000-b1fe57124242";
  await shoot(product, "host", "#/host/hv-0007.example?column=-cpu", size, scheme, full);
  await shoot(product, "vm", `#/host/hv-0007.example/vm/${vm}?span=60`, size, scheme, full);
  await shoot(product, "collectors", "#/?collectors", size, scheme);
  await shoot(product, "keys", "#/", size, scheme, { before: async (page) => { await page.locator("a.tile").first().waitFor(); await page.keyboard.press("?"); } });
  await shoot(product, "nothing", "#/?search=nothing-has-this", size, scheme);
  await shoot(product, "unknown-host", "#/host/nobody", size, scheme);
  await shoot(product, "past", `#/?at=${Math.floor(Date.now() / 1000) - 5}`, size, scheme);
  await shoot(product, "past-none", "#/?at=1700000000", size, scheme);
  await shoot(product, "paused", "#/", size, scheme, { before: async (page) => { await page.locator("a.tile").first().waitFor(); await page.keyboard.press("p"); } });
}

async function ofEnds() {
  const product = await Product.start();
  for (const size of [SIZES[0], SIZES[2], SIZES[4]]) {
    for (const scheme of ["dark", "light"]) await shoot(product, "empty", "#/", size, scheme);
  }
  const sender = product.grid(12, VMS, "--vary");
  await sleep(6000);
  for (const [index, scheme] of [["0", "dark"], ["2", "light"], ["2", "dark"]]) {
    await shoot(product, "viewer-lost", "#/", SIZES[index], scheme, { before: async (page) => {
      await page.locator("a.tile").first().waitFor();
      await product.viewer.end();
      await page.locator(".banner.lost").waitFor();
    } });
    await product.startViewer();
  }
  await sleep(3000);
  await sender.end();
  await sleep(9000);
  for (const [index, scheme] of [["0", "dark"], ["2", "light"], ["2", "dark"]]) await shoot(product, "silent", "#/", SIZES[index], scheme);
  await shoot(product, "silent-host", "#/host/hv-0007.example", SIZES[2], "dark");
  await product.collector.end();
  await shoot(product, "collector-lost", "#/", SIZES[0], "light");
  await shoot(product, "collector-lost", "#/", SIZES[2], "dark");
  await shoot(product, "collector-lost-dialog", "#/?collectors", SIZES[2], "light");
  await product.stop();
}

for (const hosts of GRIDS) await ofGrid(hosts);
if (asked.length === 0) await ofEnds();
await browser.close();
process.exit(0);
