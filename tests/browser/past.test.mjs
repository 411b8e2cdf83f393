// What is stored: the page's numbers are the database's, its history, and every view as it was.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { rowsOf, until } from "./product.mjs";
import { assertNotTooWide, context, faults, open, page, product, seriousFindings, start, text, tile, vm } from "./visit.mjs";

describe("with a store", () => {
  let directory;
  let number = 0;
  let then; // the second of the database that is looked back at: beta was in bad health
  const varying = () => {
    number += 1;
    const cpu = 10 + number / 10;
    return [
      { name: "alpha.example", cpu, ram: 50, disk: 1, ext: { boot: 1, sample: number, interval_ms: 250, source: "ebpf", cpus: 8 },
        vms: [vm("web", { cpu: cpu + 20, ext: { pid: 7, start: 1, since: 1, vcpus: 2, cpu_ns: number * 1e8, run_delay_ns: number * 5e7, rss_bytes: 268435456,
          block: [{ dev: "vda", read_ops: number, read_bytes: number * 4096, write_ops: 0, write_bytes: 0 }] } })] },
      { name: "beta.example", cpu: 20, ram: 40, disk: number < 12 ? 97.4 : 2, vms: [vm("mail", { state: number < 12 ? 6 : 1 })] },
    ];
  };
  const query = (sql) => rowsOf(join(directory, "grid.db"), sql);
  const hostRows = () => query("SELECT received_s, max(cpu_percent) FROM host_samples JOIN hosts ON id = host_id WHERE name = 'alpha.example' GROUP BY 1 ORDER BY 1");

  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "virtpulse-"));
    await start({ database: join(directory, "grid.db") });
    product.agent().each(varying, 250);
    await until("beta was in bad health, and is well", () => number > 24);
    const bad = query("SELECT max(received_s) FROM host_samples JOIN hosts ON id = host_id WHERE name = 'beta.example' AND disk_percent > 97");
    then = bad[0][0] - 1;
  });
  after(async () => {
    await product.stop();
    rmSync(directory, { recursive: true });
  });
  afterEach(async () => {
    assert.deepEqual(faults, [], "errors, CSP violations and requests to others");
    await context.close();
  });

  test("what the page says is of one second, and what the database has of it", async () => {
    await open("#/host/alpha.example");
    const row = page.locator(".vms tbody tr", { has: page.getByRole("link", { name: "web", exact: true }) });
    await until("rates are known", async () => /KiB\/s/.test(await row.textContent()));
    // The first details are of when they were asked for, those with the frames themselves of the overview's second.
    await until("the frames themselves come", async () => /8 CPUs/.test(await text(".facts")));
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".banner.paused").waitFor();
    const shown = await page.evaluate(() => [document.querySelector(".charts figcaption strong").textContent, document.querySelector(".vms tbody td:nth-child(3)").textContent]);
    const cpu = parseFloat(shown[0]);
    assert.ok(cpu > 11, shown[0]);
    const vmCpu = parseFloat(shown[1]);
    assert.ok(Math.abs(vmCpu - cpu - 20) < 0.05, `the host's and the VM's are of the same frame: ${shown}`);
    for (const of of [cpu, vmCpu - 20]) {
      const stored = await until("it is in the database", () => query(`SELECT h.cpu_percent, v.cpu_percent FROM host_samples h JOIN vm_samples v USING (time_ms) JOIN vms ON vms.id = vm_id
        JOIN hosts ON hosts.id = h.host_id WHERE hosts.name = 'alpha.example' AND vms.name = 'web' AND abs(h.cpu_percent - ${of}) < 0.001`)[0]);
      assert.ok(Math.abs(stored[1] - of - 20) < 0.001);
    }
  });

  test("history: the collector's numbers; spans, zoom and deep links", async () => {
    const rows = hostRows().filter(([second]) => second <= then);
    const [second] = rows[rows.length - 1];
    const [[mean]] = query(`SELECT avg(cpu_percent) FROM host_samples JOIN hosts ON id = host_id WHERE name = 'alpha.example' AND received_s = ${second}`);
    await open(`#/host/alpha.example?span=60&end=${second}`);
    const panel = page.getByRole("region", { name: /^History/ });
    const words = () => panel.locator("figure").first().textContent();
    // Rounded; half a tenth may go either way, as sums of fractions depend on their order.
    const isMean = (shown) => Math.abs(parseFloat(/CPU ([\d.]+) %/.exec(shown)?.[1]) - mean) < 0.05 + 1e-9;
    await until("the newest point is the database's", async () => isMean(await words()), 20)
      .catch(async (error) => { throw new Error(`${error.message}: ${mean} in ${await words()}`); });
    assert.equal(await panel.locator("canvas").count(), 1, "without sensors there is no chart of temperatures");
    // What comes with the host's own frame, below its title, moves the chart down by more than half of its height.
    await until("the host's frame itself comes", async () => /8 CPUs/.test(await text(".facts")));
    // Dragging zooms, and the range is in the address.
    const selected = () => panel.locator(".u-select").evaluate((selection) => {
      const [part, whole] = [selection.getBoundingClientRect(), selection.parentElement.getBoundingClientRect()];
      return [(part.left - whole.left) / whole.width, (part.right - whole.left) / whole.width].map((share) => share.toFixed(2)).join(" to ");
    });
    const drag = async (to, { selects = `0.25 to ${to.toFixed(2)}`, down = 60, meanwhile = async () => {} } = {}) => {
      await panel.locator(".u-over").scrollIntoViewIfNeeded();
      const over = await panel.locator(".u-over").boundingBox();
      await page.mouse.move(over.x + over.width * 0.25, over.y + 60);
      await page.mouse.down();
      await page.mouse.move(over.x + over.width * 0.5, over.y + 60, { steps: 2 });
      await meanwhile();
      await page.mouse.move(over.x + over.width * to, over.y + down, { steps: 4 });
      assert.equal(await selected(), selects, "the selection is where the pointer is");
      await page.mouse.up();
    };
    const back = async () => {
      await page.goBack();
      await page.waitForURL(new RegExp(`span=60&end=${second}`));
      await until("the chart is that of the whole span again", async () => (await panel.getAttribute("aria-busy")) === "false");
    };
    await drag(0.85);
    await page.waitForURL(/span=3[0-9]&end=\d+/);
    await back();
    // So it does where the chart moves away from under the pointer, as it does when a panel above it grows,
    await drag(0.85, { meanwhile: () => page.evaluate(() => {
      const grown = document.createElement("div");
      grown.id = "grown";
      grown.style.height = "200px";
      document.querySelector("main").style.overflowAnchor = "none"; // the browser would scroll to where the chart is
      document.querySelector(".history").before(grown);
    }) });
    await page.waitForURL(/span=3[0-9]&end=\d+/);
    await page.evaluate(() => document.querySelector("#grown").remove());
    await back();
    // or where the pointer leaves the chart: over its lower edge, and over those of its span.
    await drag(0.85, { down: 190 });
    await page.waitForURL(/span=3[0-9]&end=\d+/);
    await back();
    await drag(1.1, { selects: "0.25 to 1.00" });
    await page.waitForURL(/span=4[0-9]&end=\d+/);
    await back();
    await drag(-0.1, { selects: "0.00 to 0.25" });
    await page.waitForURL(/span=30&end=\d+/);
    await back();
    // Spans, and keys.
    await panel.getByRole("link", { name: "6 h" }).click();
    await page.waitForURL(/span=21600$/);
    await panel.focus();
    await page.keyboard.press("+");
    await page.waitForURL(/span=10800$/);
    await page.keyboard.press("ArrowLeft");
    await page.waitForURL(/span=10800&end=\d+/);
    await page.keyboard.press("Home");
    await page.waitForURL(/#\/host\/alpha.example$/);
    await panel.locator("canvas").first().waitFor();
    await page.goto(`${product.url}#/host/alpha.example?span=60&end=1000`);
    await panel.getByText("Nothing is stored of this time.").waitFor();
    await page.goto(`${product.url}#/host/alpha.example/vm/uuid-web?span=300`);
    await until("the VM's charts", async () => (await panel.locator("canvas").count()) === 4 && /running [\d.]+ %.*waiting for a CPU [\d.]+ %/s.test(await panel.textContent()));
  });

  test("the time cursor takes every view back, and says so", async () => {
    await open();
    await tile("beta.example, in good health").waitFor();
    await page.goto(`${product.url}#/?at=${then}`);
    await tile("beta.example, in bad health: disk 97 %").waitFor();
    await page.locator(".moment", { hasText: /You look at \d\d:\d\d:\d\d, \d+ s ago/ }).waitFor();
    assert.match(await text(".totals"), /1 bad.*1 good.*2 hosts, 1\/2 VMs/s);
    await page.keyboard.press("w");
    await page.getByRole("link", { name: /beta.example\s+its busiest disk is busy 97 %/ }).waitFor();
    await page.getByRole("link", { name: /mail on beta.example\s+crashed/ }).click();
    await page.waitForURL(new RegExp(`/vm/uuid-mail\\?at=${then}$`));
    await page.locator(".level.bad", { hasText: "crashed" }).waitFor();
    // The numbers are those that the database has of then: the last sample of that second, and rates to it.
    const samples = query(`SELECT cpu_percent, run_delay_ns, time_ms FROM vm_samples JOIN vms ON id = vm_id WHERE name = 'web' AND received_s <= ${then} ORDER BY time_ms DESC LIMIT 2`);
    await page.goto(`${product.url}#/host/alpha.example?at=${then}`);
    const cells = page.locator(".vms tbody tr td");
    const [newer, older] = samples;
    const delay = (newer[1] - older[1]) / 1e6 / (newer[2] - older[2]) * 100 / 2;
    await until("the row of then", async () => (await cells.nth(1).textContent()) === `${newer[0].toFixed(1)} %` && (await cells.nth(2).textContent()) === `${delay.toFixed(1)} %`, 15)
      .catch(async () => assert.deepEqual(await cells.allTextContents(), [newer[0], delay]));
    // Steps by keys are in the address; where nothing was, that is said.
    await page.keyboard.press("[");
    await page.waitForURL(new RegExp(`at=${then - 10}$`));
    await page.keyboard.press("g");
    await page.locator(".state", { hasText: /No host at/ }).waitFor();
    await page.keyboard.press("]");
    await tile("beta.example, in bad health").waitFor();
    await page.reload();
    await tile("beta.example, in bad health").waitFor();
    await page.getByRole("button", { name: "Back to now" }).click();
    await tile("beta.example, in good health").waitFor();
    assert.doesNotMatch(page.url(), /at=/);
    // By the button, and a click on a chart.
    await page.getByRole("button", { name: "Past" }).click();
    await page.locator(".moment").waitFor();
    await page.keyboard.press("n");
    await page.locator(".moment").waitFor({ state: "hidden" });
    await page.goto(`${product.url}#/host/alpha.example?span=300`);
    await page.locator(".u-over").first().scrollIntoViewIfNeeded();
    await page.locator(".u-over").first().click({ position: { x: 40, y: 40 } });
    await page.waitForURL(/at=\d+/);
  });

  test("nothing serious for axe in the past, and nothing too wide", async () => {
    await open("", { bypassCSP: true, viewport: { width: 390, height: 844 } });
    for (const [colorScheme, hash, complete] of [["dark", `#/?at=${then}`, "a.tile >> nth=1"], ["light", `#/host/alpha.example?at=${then}`, ".vms tbody tr"]]) {
      await page.emulateMedia({ colorScheme });
      await page.goto(product.url + hash);
      await page.locator(".moment", { hasText: "You look at" }).waitFor();
      await page.locator(complete).first().waitFor();
      await assertNotTooWide(390, hash);
      assert.deepEqual(await seriousFindings(), [], `${colorScheme} ${hash}`);
    }
  });
});
