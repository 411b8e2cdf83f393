// The page in a real browser, on the running product: a collector, the viewer, and frames that come
// as an agent sends them.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { binary, installed, makeDoor, openBrowser, Product, rowsOf, sleep, until } from "./product.mjs";

const FORGET_S = 30;
let browser;
let product;
let context;
let page;
let faults;

/** Frames of two hosts with their VMs; the numbers are looked for in the page. */
let counter = 0;
const vm = (name, members = {}) => ({
  name, uuid: `uuid-${name}`, state: 1, cpu: 34.56, ram: 524288, maxram: 1048576, ...members,
});
const grid = () => {
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

async function open(hash = "", options = {}) {
  context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  page = await context.newPage();
  faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("console", (message) => message.type() === "error" && !/WebSocket connection to|ERR_CONNECTION_REFUSED/.test(message.text()) && faults.push(`console: ${message.text()}`));
  page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(product.url).host) faults.push(`request: ${request.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(product.url + hash);
}

const text = async (selector) => (await page.locator(selector).first().textContent()) ?? "";
const tile = (name) => page.locator(`a.tile[aria-label^="${name}"]`);

before(async () => {
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
});

describe("with a collector and two hosts", () => {
  let agent;
  before(async () => {
    product = await Product.start();
    agent = product.agent();
    agent.each(grid);
  });
  after(() => product.stop());
  afterEach(async () => {
    assert.deepEqual(faults, [], "errors, CSP violations and requests to others");
    await context.close();
  });

  test("the grid has every host, with its health in words", async () => {
    await open();
    await tile("beta.example, in bad health: disk 97 %, 1 VM").waitFor();
    await tile("alpha.example, in good health, 4 VMs").waitFor();
    assert.match(await text(".totals"), /1 bad.*1 good.*2 hosts, 3\/5 VMs/s);
    // There is a picture and not an empty canvas.
    const colours = await page.locator("main.grid canvas").evaluate((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const found = new Set();
      for (let at = 0; at < data.length; at += 4) if (data[at + 3] > 0) found.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      return found.size;
    });
    assert.ok(colours > 20, `${colours} colours`);
  });

  test("pointing at a host and at a VM says the frames' numbers", async () => {
    await open();
    const alpha = tile("alpha.example");
    await alpha.waitFor();
    const box = await alpha.boundingBox();
    await page.mouse.move(box.x + 20, box.y + 8);
    await page.waitForFunction(() => document.querySelector(".tooltip")?.textContent.includes("CPU 12.3 %"));
    const words = await text(".tooltip");
    for (const part of ["RAM 56.8 %", "disk 3.2 %", "CPU 49 °C", "board 33 °C", "4 VMs, 2 running"]) assert.ok(words.includes(part), `${part} in ${words}`);
    // Somewhere in the middle of the tile are its VMs.
    let found = "";
    for (let step = 0; step < 100 && !found.startsWith("web"); step++) {
      // Whole pixels: a click has no others.
      await page.mouse.move(Math.round(box.x + box.width * (0.2 + 0.06 * (step % 10))), Math.round(box.y + box.height * (0.18 + 0.08 * Math.floor(step / 10))));
      await sleep(60); // a browser tells of movements once a frame
      found = await text(".tooltip");
    }
    assert.match(found, /running on alpha.example.*CPU 34.6 % of its vCPUs.*memory 256 MiB of 1.00 GiB/s);
    await page.mouse.down();
    await page.mouse.up();
    await page.waitForURL(/#\/host\/alpha.example\/vm\/uuid-web/);
    await page.locator("h1", { hasText: "web" }).waitFor();
  });

  test("the host view has what the frames say", async () => {
    await open("#/host/alpha.example");
    await page.locator("tbody tr").nth(3).waitFor();
    const row = (name) => page.locator("tbody tr", { has: page.getByRole("link", { name, exact: true }) });
    await until("rates are known", async () => /\d+ B\/s|KiB\/s/.test(await row("web").textContent()));
    const web = await row("web").textContent();
    for (const part of ["running", "34.6 %", "256 MiB / 1.00 GiB"]) assert.ok(web.includes(part), `${part} in ${web}`);
    assert.ok((await row("db").textContent()).includes("91.2 %"));
    assert.ok((await row("old").textContent()).includes("shut off"));
    assert.ok((await row("broken").textContent()).includes("crashed"));
    assert.match(await text(".missing"), /libvirt: no answer for 12 s/);
    await until("the frames themselves come", async () => /4 VMs · 8 CPUs · figures from eBPF/.test(await text(".facts")));
    assert.match(await text(".charts"), /CPU 12.3 %.*RAM 56.8 %.*Disk, busiest 3.2 %.*CPU temperature 49 °C.*Board temperature 33 °C/s);
    // Who made whom wait.
    await page.locator(".matrix td", { hasText: "ms/s" }).first().waitFor();
    assert.match(await text(".matrix"), /db.*web/s);
  });

  test("the VM table is sorted by its heads, and the order is a link", async () => {
    await open("#/host/alpha.example");
    await page.locator("tbody tr").nth(3).waitFor();
    const names = () => page.locator("tbody tr th a").allTextContents();
    assert.deepEqual(await names(), ["broken", "db", "old", "web"]);
    await page.getByRole("button", { name: "CPU", exact: true }).click();
    await until("sorted", async () => (await names())[0] === "db");
    assert.match(page.url(), /column=-cpu/);
    assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "descending");
    await page.reload();
    await until("still sorted", async () => (await names())[0] === "db");
  });

  test("the VM view has what the frames say", async () => {
    await open("#/host/alpha.example/vm/uuid-web");
    await page.locator("h1", { hasText: "web" }).waitFor();
    assert.match(await text(".facts"), /2 vCPUs · process 4711 · uuid uuid-web/);
    await page.waitForFunction(() => document.querySelector(".charts")?.textContent.includes("running 34.6 %"));
    assert.match(await text(".charts"), /resident on the host 256 MiB.*now given 512 MiB.*can be given 1.00 GiB/s);
    await page.locator("figcaption", { hasText: "Each wait for a CPU" }).waitFor();
    await page.locator(".shares", { hasText: "db" }).waitFor();
    await page.keyboard.press("b");
    await page.waitForFunction(() => document.querySelector(".charts").textContent.includes("268 MB"));
  });

  test("a collector without a store: no history and no past, and it says why", async () => {
    await open("#/host/alpha.example");
    await page.locator(".notice-line.store", { hasText: "The collector stores nothing" }).waitFor();
    await page.goto(`${product.url}#/?at=1700000000`);
    await page.locator(".state", { hasText: "nothing is stored (--db none)" }).waitFor();
    await page.locator(".state").getByRole("link", { name: "Back to now" }).click();
    await tile("alpha.example").waitFor();
  });

  test("worst first says it in words and leads there", async () => {
    await open("#/worst");
    const finding = page.getByRole("link", { name: /beta.example\s+its busiest disk is busy 97 % of the time/ });
    await finding.waitFor();
    await page.getByRole("link", { name: /broken on alpha.example\s+crashed/ }).waitFor();
    await page.getByRole("link", { name: /alpha.example\s+its libvirt says nothing: no answer for 12 s/ }).waitFor();
    await finding.click();
    await page.locator("h1", { hasText: "beta.example" }).waitFor();
  });

  test("filter, search and order", async () => {
    await open();
    await tile("alpha.example").waitFor();
    await page.getByRole("button", { name: "Unhealthy" }).click();
    await tile("alpha.example").waitFor({ state: "detached" });
    assert.equal(await tile("beta.example").count(), 1);
    assert.match(page.url(), /unhealthy/);
    await page.getByRole("button", { name: "Unhealthy" }).click();
    await page.getByRole("searchbox").fill("mail");
    await tile("alpha.example").waitFor({ state: "detached" });
    await page.getByRole("searchbox").fill("no such thing");
    await page.locator(".state.nothing").waitFor();
    await page.getByRole("searchbox").fill("");
    await page.getByRole("combobox").selectOption("health");
    await until("worst first", async () => (await page.locator("a.tile").first().getAttribute("aria-label")).startsWith("beta"));
  });

  test("pause stops the picture and not the connection", async () => {
    await open("#/host/alpha.example/vm/uuid-web");
    await page.locator(".legend").first().waitFor();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".banner.paused").waitFor();
    const drawn = await page.locator("canvas.chart").first().evaluate((canvas) => canvas.toDataURL());
    await sleep(2500);
    assert.equal(await page.locator("canvas.chart").first().evaluate((canvas) => canvas.toDataURL()), drawn);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.locator(".banner.paused").waitFor({ state: "hidden" });
    await until("it goes on", async () => (await page.locator("canvas.chart").first().evaluate((canvas) => canvas.toDataURL())) !== drawn);
  });

  test("deep links to every view, and the way back", async () => {
    await open("#/host/beta.example/vm/uuid-mail");
    await page.locator("h1", { hasText: "mail" }).waitFor();
    await page.goto(`${product.url}#/?unhealthy&sort=cpu&search=beta`);
    await tile("beta.example").waitFor();
    assert.equal(await page.getByRole("searchbox").inputValue(), "beta");
    await page.goBack();
    await page.locator("h1", { hasText: "mail" }).waitFor();
    await page.goto(`${product.url}#/host/no-such-host`);
    await page.locator(".state", { hasText: "not known" }).waitFor();
    await page.goto(`${product.url}#/?collectors`);
    await page.getByRole("dialog").waitFor();
  });

  test("by keyboard alone: from the grid to a VM and back", async () => {
    await open();
    await tile("alpha.example").waitFor();
    await until("a tile has the focus", async () => {
      await page.keyboard.press("Tab");
      return await page.evaluate(() => document.activeElement.matches("a.tile"));
    });
    assert.match(await text(".tooltip"), /alpha.example/);
    await page.keyboard.press("ArrowRight");
    assert.match(await page.evaluate(() => document.activeElement.getAttribute("aria-label")), /^beta/);
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("Enter");
    await page.locator("tbody tr").nth(3).waitFor();
    await until("a VM has the focus", async () => {
      await page.keyboard.press("Tab");
      return await page.evaluate(() => document.activeElement.matches("tbody a"));
    });
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/vm\//);
    await page.keyboard.press("Backspace");
    await page.waitForURL(/#\/host\/alpha.example$/);
    await page.keyboard.press("g");
    await tile("alpha.example").waitFor();
    await page.keyboard.press("u");
    await tile("alpha.example").waitFor({ state: "detached" });
    await page.keyboard.press("u");
    await page.keyboard.press("w");
    await page.locator(".findings li").first().waitFor();
    await page.keyboard.press("c");
    await page.getByRole("dialog", { name: "Collectors" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog", { name: "Collectors" }).waitFor({ state: "hidden" });
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.type), "search");
    await page.keyboard.press("Escape");
    await page.keyboard.press("?");
    await page.getByRole("dialog", { name: "Keys and signs" }).waitFor();
  });

  test("the dialog says why a wrong address fails, and lets it be removed", async () => {
    await open("#/?collectors");
    const dialog = page.getByRole("dialog", { name: "Collectors" });
    await dialog.getByText(/connected for/).waitFor();
    await dialog.getByLabel("Address").fill("127.0.0.1");
    await dialog.getByLabel("Port").fill("1");
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByText(/connection refused; next attempt in/).waitFor();
    await page.locator(".banner.warn", { hasText: "127.0.0.1:1 (connection refused)" }).waitFor();
    await dialog.getByLabel("Address").fill("no such host");
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByText(/a character that no host name has/).waitFor();
    await dialog.getByLabel("Address").fill("nowhere.invalid");
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByText(/host not found/).waitFor();
    for (const address of ["127.0.0.1:1", "nowhere.invalid:1"]) {
      await dialog.getByRole("button", { name: `Remove ${address}` }).click();
      await dialog.getByText(address, { exact: true }).waitFor({ state: "detached" });
    }
    // The same again is an error and not a second connection.
    await dialog.getByLabel("Address").fill("127.0.0.1");
    await dialog.getByLabel("Port").fill(String(product.tcp));
    await dialog.getByRole("button", { name: "Connect" }).click();
    await dialog.getByText(/already/).waitFor();
  });

  test("nothing serious for axe, in every view, dark and light", async () => {
    const { source } = installed("axe-core");
    for (const colorScheme of ["dark", "light"]) {
      for (const hash of ["", "#/worst", "#/host/alpha.example", "#/host/alpha.example/vm/uuid-web", "#/?collectors", "#/?search=nothing-has-this"]) {
        await open(hash, { colorScheme, bypassCSP: true });
        await page.locator("main").waitFor();
        await sleep(1500);
        await page.evaluate(source);
        const found = await page.evaluate(() => window.axe.run());
        const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`), [], `${colorScheme} ${hash}`);
        await context.close();
      }
    }
    await open();
  });

  test("at 390 px nothing is wider than the window", async () => {
    for (const hash of ["", "#/worst", "#/host/alpha.example", "#/host/alpha.example/vm/uuid-web", "#/?collectors"]) {
      await open(hash, { viewport: { width: 390, height: 844 } });
      await page.locator("main").waitFor();
      await sleep(1200);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, hash);
      assert.ok(await page.evaluate(() => document.querySelector("main").scrollWidth) <= 390, `main, ${hash}`);
      await context.close();
    }
    await open();
  });

  test("names of every kind are text and nothing else", async () => {
    const hostile = ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\u202eevil\u2066", "a\u0085b\u009b31m", "x".repeat(255), "日本語ホスト", "'\"&lt;", "__proto__", "../../etc", "  "];
    const other = product.agent();
    other.each(() => hostile.map((name) => ({ name, disk: 99, vms: hostile.map((inner, at) => vm(inner, { uuid: at === 0 ? "<b>" : `u${at}` })) })));
    await open();
    await page.waitForFunction((count) => document.querySelectorAll("a.tile").length >= count, hostile.length + 2);
    assert.equal(await page.evaluate(() => document.querySelectorAll("script:not([src]), img[src='x'], b").length), 0);
    for (const name of hostile) {
      await page.goto(`${product.url}#/host/${encodeURIComponent(name)}`);
      await until(`the VMs of ${name}`, async () => (await page.locator("tbody tr").count()) === hostile.length);
      const said = await page.locator("body").innerText();
      assert.doesNotMatch(said, /[\u202a-\u202e\u2066-\u2069\u0080-\u009f]/u);
    }
    await page.goto(`${product.url}#/worst`);
    await page.locator(".findings li").nth(9).waitFor();
    assert.ok(await page.evaluate(() => document.querySelector("main").scrollWidth <= window.innerWidth));
    other.close();
  });
});

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
    product = await Product.start({ database: join(directory, "grid.db") });
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
    const row = page.locator("tbody tr", { has: page.getByRole("link", { name: "web", exact: true }) });
    await until("rates are known", async () => /KiB\/s/.test(await row.textContent()));
    await page.getByRole("button", { name: "Pause" }).click();
    await page.locator(".banner.paused").waitFor();
    const shown = await page.evaluate(() => [document.querySelector(".charts figcaption strong").textContent, document.querySelector("tbody td:nth-child(3)").textContent]);
    const cpu = parseFloat(shown[0]);
    assert.ok(cpu > 11, shown[0]);
    // An overview and the details that follow it; a browser that is late gets details of newer frames, four a second here.
    const vmCpu = parseFloat(shown[1]);
    assert.ok(Math.abs(vmCpu - cpu - 20) < 0.55, `the host's and the VM's are of the same second: ${shown}`);
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
    await until("the newest point is the database's", async () => (await words()).includes(`CPU ${Number.isInteger(mean) ? mean : mean.toFixed(1)} %`), 20)
      .catch(async (error) => { throw new Error(`${error.message}: ${mean} in ${await words()}`); });
    assert.equal(await panel.locator("canvas").count(), 1, "without sensors there is no chart of temperatures");
    // Dragging zooms, and the range is in the address.
    await panel.locator(".u-over").scrollIntoViewIfNeeded();
    const over = await panel.locator(".u-over").boundingBox();
    await page.mouse.move(over.x + over.width * 0.25, over.y + 60);
    await page.mouse.down();
    await page.mouse.move(over.x + over.width * 0.85, over.y + 60, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/span=3[0-9]&end=\d+/);
    await page.goBack();
    await page.waitForURL(new RegExp(`span=60&end=${second}`));
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
    const cells = page.locator("tbody tr td");
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
    const { source } = installed("axe-core");
    for (const [colorScheme, hash] of [["dark", `#/?at=${then}`], ["light", `#/host/alpha.example?at=${then}`]]) {
      await open(hash, { colorScheme, bypassCSP: true, viewport: { width: 390, height: 844 } });
      await page.locator(".moment", { hasText: "You look at" }).waitFor();
      await sleep(800);
      assert.ok(await page.evaluate(() => document.documentElement.scrollWidth) <= 390, hash);
      assert.ok(await page.evaluate(() => document.querySelector("main").scrollWidth) <= 390, `main, ${hash}`);
      await page.evaluate(source);
      const found = await page.evaluate(() => window.axe.run());
      const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`), [], `${colorScheme} ${hash}`);
      await context.close();
    }
    await open();
  });
});

describe("beyond this machine", () => {
  test("the page is served with a certificate and a token only", async () => {
    const directory = mkdtempSync(join(tmpdir(), "virtpulse-"));
    const { token, words } = makeDoor(directory);
    product = await Product.start({ viewerArguments: words });
    product.agent().each(grid);
    await open("#/host/alpha.example", { ignoreHTTPSErrors: true });
    await page.waitForURL(/\/login#\/host\/alpha.example$/);
    await page.getByLabel("Token").fill(`${token}x`);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("that is not the token").waitFor();
    assert.deepEqual(faults.splice(0).filter((fault) => !/401/.test(fault)), []);
    await page.goBack();
    await page.getByLabel("Token").fill(token);
    await page.getByRole("button", { name: "Open" }).click();
    await page.waitForURL(`${product.url}#/host/alpha.example`);
    await page.locator("tbody tr").nth(3).waitFor();
    await until("the frames come", async () => /figures from eBPF/.test(await text(".facts")));
    const [cookie, ...others] = await context.cookies();
    assert.deepEqual([cookie.httpOnly, cookie.secure, cookie.sameSite, others.length], [true, true, "Strict", 0]);
    assert.ok(!JSON.stringify(cookie).includes(token) && !product.viewer.said.includes(token));
    // Whoever has no cookie sees nothing of the grid.
    const stranger = await browser.newContext({ ignoreHTTPSErrors: true });
    assert.deepEqual([(await stranger.request.get(`${product.url}app.js`)).status(), (await stranger.request.get(`${product.url}live`)).status()], [401, 401]);
    await stranger.close();
    assert.deepEqual(faults, []);
    await context.close();
    await product.stop();
    const refused = product.run(binary("virtpulse-viewer"), ["--web", "0.0.0.0:8056"]);
    assert.equal(await refused.over, 1);
    assert.match(refused.said, /0.0.0.0 is beyond this machine.*--web-token-file/);
    rmSync(directory, { recursive: true });
  });
});

describe("when things end", () => {
  beforeEach(async () => {
    product = await Product.start();
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

  test("a host fades, and vanishes 30 s after its last frame", async () => {
    const agent = product.agent();
    await agent.send({ name: "short-lived" });
    const last = Date.now();
    product.agent().each(() => ({ name: "steady" }));
    await open();
    await tile("short-lived, in good health").waitFor();
    await tile("short-lived, silent for").waitFor();
    const silent = (Date.now() - last) / 1000;
    assert.ok(silent >= 2.9, `silent after ${silent} s`);
    await page.locator(".count.silent", { hasText: "1 silent" }).waitFor();
    await tile("short-lived").waitFor({ state: "detached", timeout: 60_000 });
    const gone = (Date.now() - last) / 1000;
    assert.ok(gone >= FORGET_S - 0.5, `gone after ${gone} s`);
    console.log(`# silent after ${silent.toFixed(1)} s, gone after ${gone.toFixed(1)} s`);
    assert.equal(await tile("steady").count(), 1);
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
    await page.locator("tbody tr").nth(3).waitFor();
    await product.viewer.end();
    await page.locator(".banner.lost", { hasText: /The picture is \d+ s old/ }).waitFor();
    await product.startViewer();
    await page.locator(".banner").waitFor({ state: "hidden", timeout: 60_000 });
    await page.locator("tbody tr").nth(3).waitFor();
  });
});
