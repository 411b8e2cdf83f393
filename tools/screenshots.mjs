#!/usr/bin/env node
// screenshots.mjs [DIRECTORY]: pictures of the page and of the terminal, of the running product with
// frames of a grid that does not exist (tests/browser/grid_sender.py). Needs a build with tests,
// chromium and tmux.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, openBrowser, Product, sleep } from "../tests/browser/product.mjs";
import { htmlOf } from "./terminal_picture.mjs";

const directory = process.argv[2] ?? "docs/pictures";
const WARM_UP_MS = 30_000; // so that the small charts have something to show
const VM = "00000007-0003-4000-8000-b1fe57124242"; // queue-0007-03, the same in every run

const store = mkdtempSync(join(tmpdir(), "virtpulse-"));
const product = await Product.start({ database: join(store, "grid.db") });
product.grid(12, 40, "--vary");
const browser = await openBrowser();
async function shoot(name, colorScheme, hash, height = 800) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height }, colorScheme })).newPage();
  await page.goto(product.url + hash);
  await sleep(WARM_UP_MS);
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await page.context().close();
  console.log(`${name}.png`);
}

/** A server of tmux of its own, so that nothing of whoever runs this is touched. */
async function shootTerminal(name) {
  const tmux = (...words) => execFileSync("tmux", ["-L", `virtpulse-${process.pid}`, "-f", "/dev/null", ...words], { encoding: "utf8" });
  tmux("new-session", "-d", "-x", "130", "-y", "36", `TERM=xterm-256color LANG=C.UTF-8 ${binary("virtpulse-viewer")} --collector 127.0.0.1:${product.tcp} --terminal`);
  await sleep(WARM_UP_MS);
  const screen = tmux("capture-pane", "-e", "-p");
  tmux("kill-server");
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.setContent(htmlOf(screen));
  await page.locator("#screen").screenshot({ path: join(directory, `${name}.png`) });
  await page.close();
  console.log(`${name}.png`);
}
await Promise.all([
  shootTerminal("terminal"),
  shoot("grid", "dark", "#/"), shoot("vm", "dark", `#/host/hv-0007.example/vm/${VM}?span=60`, 900), shoot("host", "light", "#/host/hv-0007.example?column=-cpu"),
]);
await browser.close();
await product.stop();
rmSync(store, { recursive: true });
process.exit(0);
