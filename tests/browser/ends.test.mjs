// What comes, goes and comes back: hosts, the collector, the viewer; and who comes from beyond this
// machine.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, before, beforeEach, describe, test } from "node:test";
import { binary, makeDoor, Product, until } from "./product.mjs";
import { browser, context, faults, grid, open, page, product, start, text, tile, watch } from "./visit.mjs";

const FORGET_S = 30;

/** A host that sends no more is watched until it is gone. */
async function vanish() {
  const own = await Product.start();
  const watching = await browser.newContext();
  const watched = await watching.newPage();
  const found = watch(watched, own);
  let last = 0;
  const agent = own.agent();
  agent.each(() => { last = Date.now(); return { name: "short-lived" }; });
  own.agent().each(() => ({ name: "steady" }));
  await watched.goto(own.url);
  await tile("short-lived, in good health", watched).waitFor();
  agent.close();
  await tile("short-lived, silent for", watched).waitFor();
  const silent = (Date.now() - last) / 1000;
  await watched.locator(".count.silent", { hasText: "1 silent" }).waitFor();
  await tile("short-lived", watched).waitFor({ state: "detached", timeout: 60_000 });
  const gone = (Date.now() - last) / 1000;
  const isSteadyThere = (await tile("steady", watched).count()) === 1;
  await watching.close();
  await own.stop();
  return { silent, gone, isSteadyThere, found };
}

describe("beyond this machine", () => {
  test("the page is served with a certificate and a token only", async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "virtpulse-"));
    const { token, words } = makeDoor(directory);
    await start({ viewerArguments: words });
    t.after(() => product.stop());
    product.agent().each(grid);
    await open("#/host/alpha.example", { ignoreHTTPSErrors: true });
    await page.waitForURL(/\/login#\/host\/alpha.example$/);
    await page.getByLabel("Token").fill(`${token}x`);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("that is not the token").waitFor();
    await page.goBack();
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Open" }).click();
    await page.waitForURL(`${product.url}#/host/alpha.example`);
    await page.locator(".vms tbody tr").nth(3).waitFor();
    await until("the frames come", async () => /figures from eBPF/.test(await text(".facts")));
    const [cookie, ...others] = await context.cookies();
    assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, others.length], [true, true, "Strict", 0]);
    assert.ok(!JSON.stringify(cookie).includes(token) && !product.viewer.said.includes(token));
    // Whoever has no cookie sees nothing of the grid.
    const stranger = await browser.newContext({ ignoreHTTPSErrors: true });
    assert.deepEqual([(await stranger.request.get(`${product.url}app.js`)).status(), (await stranger.request.get(`${product.url}live`)).status()], [401, 401]);
    await stranger.close();
    // The browser says on its console, when it comes to it, that the wrong token was refused; and the icon
    // that it looks for by itself beside such an answer.
    assert.deepEqual(faults.filter((fault) => !/ 401 .*\(\/(login|favicon\.ico)\)$/.test(fault)), []);
    await context.close();
    await product.stop();
    const refused = product.run(binary("virtpulse-viewer"), ["--web", "0.0.0.0:8056"]);
    assert.equal(await refused.over, 1);
    assert.match(refused.said, /0.0.0.0 is beyond this machine.*--web-token-file/);
    rmSync(directory, { recursive: true });
  });
});

describe("when things end", () => {
  // That takes 30 s; the other tests run meanwhile.
  let vanishing;
  before(() => {
    vanishing = vanish();
    vanishing.catch(() => {});
  });
  beforeEach(async () => {
    await start();
  });
  afterEach(async () => {
    assert.deepEqual(faults, []);
    await context.close();
    await product.stop();
  });

  test("no host yet: what to do; then the first one comes", async () => {
    await open();
    await page.locator(".state", { hasText: "No host yet" }).waitFor();
    assert.match(await text(".state"), /virtpulse-agent --collector/);
    product.agent().each(grid);
    await tile("alpha.example").waitFor();
  });

  test("a collector that is killed, and back", async () => {
    product.agent().each(grid);
    await open();
    await tile("alpha.example, in good health").waitFor();
    await product.collector.end("SIGKILL");
    await page.locator(".banner.lost", { hasText: "No collector is connected" }).waitFor();
    assert.equal(await tile("alpha.example").count(), 1, "what was known is still there");
    await page.locator(".link.bad").waitFor();
    await product.startCollector();
    await page.locator(".link.good").waitFor({ timeout: 60_000 });
    await page.locator(".banner").waitFor({ state: "hidden" });
    await tile("alpha.example, in good health").waitFor();
  });

  test("a viewer that is gone, and back: the page says how old it is, and goes on", async () => {
    product.agent().each(grid);
    await open("#/host/alpha.example");
    await page.locator(".vms tbody tr").nth(3).waitFor();
    await product.viewer.end();
    await page.locator(".banner.lost", { hasText: /The picture is \d+ s old/ }).waitFor();
    await product.startViewer();
    await page.locator(".banner").waitFor({ state: "hidden", timeout: 60_000 });
    await page.locator(".vms tbody tr").nth(3).waitFor();
  });

  test("a host fades, and vanishes 30 s after its last frame", async () => {
    await open();
    const { silent, gone, isSteadyThere, found } = await vanishing;
    assert.ok(silent >= 2.9, `silent after ${silent} s`);
    assert.ok(gone >= FORGET_S - 0.5, `gone after ${gone} s`);
    console.log(`# silent after ${silent.toFixed(1)} s, gone after ${gone.toFixed(1)} s`);
    assert.ok(isSteadyThere);
    assert.deepEqual(found, []);
  });
});
