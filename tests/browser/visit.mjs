// A page of the product, open in a browser, and what it must never do.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { installed, openBrowser, Product, until } from "./product.mjs";

// Of the test that runs; there is one at a time in each process.
export let browser;
export let product;
export let context;
export let page;
export let faults = [];
let overviews = 0;

before(async () => {
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
});

export async function start(options) {
  product = await Product.start(options);
}

/** Frames of two hosts with their VMs; the numbers are looked for in the page. */
let counter = 0;
export const vm = (name, members = {}) => ({
  name, uuid: `uuid-${name}`, state: 1, cpu: 34.56, ram: 524288, maxram: 1048576, ...members,
});
export const grid = () => {
  counter += 1;
  return [
    {
      name: "alpha.example", cpu: 12.34, ram: 56.78, disk: 3.21, cputemp: 48.6, mbtemp: 33.4,
      ext: { boot: 1, sample: counter, interval_ms: 500, source: "ebpf", cpus: 8, missing: { libvirt: "no answer for 12 s" } },
      vms: [
        vm("web", { ext: { pid: 4711, start: 1, since: 1, vcpus: 2, rss_bytes: 268435456, run_delay_ns: counter * 1e6, block: [{ dev: "vda", read_ops: counter * 7, read_bytes: counter * 4096, write_ops: counter, write_bytes: counter * 512 }],
          wait: { counts: [0, counter, counter], by_ns: { vm: counter * 1e6 }, culprits: [{ who: "vm", name: "db", ns: counter * 1e6, waits: counter }] } } }),
        vm("db", { cpu: 91.2, ext: { pid: 4712, start: 1, vcpus: 4 } }), vm("old", { state: 5, cpu: 0 }), vm("broken", { state: 6, cpu: 0 }),
      ],
    },
    { name: "beta.example", cpu: 20, ram: 40, disk: 97.4, vms: [vm("mail")] },
  ];
};

/** What `page` must never do is written down in the list that this gives. */
export function watch(page, product) {
  const found = [];
  page.on("pageerror", (error) => found.push(`error: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && !/WebSocket connection to|ERR_CONNECTION_REFUSED/.test(message.text()) && found.push(`console: ${message.text()} (${message.location().url.replace(product.url, "/").replace(/#.*/, "")})`));
  page.on("dialog", (dialog) => { found.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(product.url).host) found.push(`request: ${request.url()}`);
  });
  return found;
}

/** A new context, so that nothing of another test is known. */
export async function open(hash = "", options = {}) {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  page = await context.newPage();
  faults = watch(page, product);
  overviews = 0;
  page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => { if (typeof payload !== "string") overviews += 1; }));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(product.url + hash);
}

/** Until the page was told of so many more seconds. */
export async function secondsLater(count) {
  const end = overviews + count;
  await until("overviews come", () => overviews >= end);
}

/** What the page does at the next frame has been done. */
export const drawn = () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

export const text = async (selector) => (await page.locator(selector).first().textContent()) ?? "";
export const tile = (name, of = page) => of.locator(`a.tile[aria-label^="${name}"]`);

/** Findings of axe that a person could not get round, in the page as it is now. */
export async function seriousFindings() {
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(installed("axe-core").source);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
}

export async function assertNotTooWide(width, what) {
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector("main").scrollWidth]);
  assert.ok(Math.max(...widths) <= width, `${what}: ${widths}`);
}
