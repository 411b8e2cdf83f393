#!/usr/bin/env node
// screenshots.mjs [DIRECTORY]: pictures of the page and of the terminal for the docs, of a real run
// of the demo (tools/demo.mjs). Only those called grid-N have frames that tests/browser/grid_sender.py
// makes up, as the demo has one host. As root; needs a build with tests, chromium, tmux and the lab.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, openBrowser, Product, sleep, until } from "../tests/browser/product.mjs";
import { startDemo } from "./demo.mjs";
import { htmlOf } from "./terminal_picture.mjs";

const directory = process.argv[2] ?? "docs/pictures";
const CHARTS_FULL_MS = 130_000; // they have two minutes
const GUESTS = 4;

const store = mkdtempSync(join(tmpdir(), "virtpulse-"));
const browser = await openBrowser();
const pageOf = async (width, height, colorScheme) => (await browser.newContext({ viewport: { width, height }, colorScheme })).newPage();

/** A picture of a page that is open, as high as what it shows, but no more than `most`. */
async function shoot(page, name, most = 0) {
  if (most > 0) {
    const { width } = page.viewportSize();
    const tall = await page.evaluate(() => document.querySelector("main").scrollHeight + document.querySelector("main").getBoundingClientRect().top);
    await page.setViewportSize({ width, height: Math.ceil(Math.min(most, tall)) });
    await sleep(1500);
  }
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await page.context().close();
  console.log(`${name}.png`);
}

/** A server of tmux of its own, so that nothing of whoever runs this is touched. */
async function shootTerminal(product, name) {
  const tmux = (...words) => execFileSync("tmux", ["-L", `virtpulse-${process.pid}`, "-f", "/dev/null", ...words], { encoding: "utf8" });
  tmux("new-session", "-d", "-x", "150", "-y", "16", `TERM=xterm-256color LANG=C.UTF-8 ${binary("virtpulse-viewer")} --collector 127.0.0.1:${product.tcp} --terminal`);
  await sleep(5000);
  const screen = tmux("capture-pane", "-e", "-p");
  tmux("kill-server");
  const page = await browser.newPage({ viewport: { width: 1400, height: 800 } });
  await page.setContent(htmlOf(screen));
  await page.locator("#screen").screenshot({ path: join(directory, `${name}.png`) });
  await page.close();
  console.log(`${name}.png`);
}

async function ofDemo() {
  const product = await startDemo(store);
  try {
    const host = await pageOf(1280, 900, "light");
    await host.goto(`${product.url}#/host/demo-host?column=-wait`);
    const link = host.locator("table.vms tbody a", { hasText: "demo-database" });
    await link.waitFor();
    const vm = await pageOf(1280, 900, "dark");
    await vm.goto(`${product.url}${await link.getAttribute("href")}&span=300`);
    await sleep(CHARTS_FULL_MS);
    const names = () => host.locator("table.vms tbody a").allTextContents();
    await until("only the guests of the demo run", async () => (await names()).length === GUESTS, 120)
      .catch(async () => console.error(`other VMs run here, and are in the pictures: ${await names()}`));
    await shootTerminal(product, "terminal");
    await shoot(host, "host", 2000);
    await shoot(vm, "vm", 2400);
    for (const [name, hash, width, height] of [["grid", "#/", 1280, 760], ["worst", "#/worst", 1280, 420]]) {
      const page = await pageOf(width, height, "dark");
      await page.goto(product.url + hash);
      await sleep(4000);
      await shoot(page, name);
    }
  } finally {
    await product.stop();
  }
}

async function ofMadeUpGrid(hosts) {
  const product = await Product.start({});
  product.grid(hosts, 40, "--vary");
  const page = await pageOf(1280, 800, "dark");
  await page.goto(product.url);
  await until("all hosts are there", async () => (await page.locator(".count.vms").textContent()).startsWith(`${hosts} hosts`), 60);
  await sleep(4000);
  await shoot(page, `grid-${hosts}`);
  await product.stop();
}

try {
  await ofDemo();
  for (const hosts of [12, 200]) await ofMadeUpGrid(hosts);
} finally {
  await browser.close();
  rmSync(store, { recursive: true });
}
process.exit(0);
