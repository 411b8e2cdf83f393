// Every view of the page on the running product: a collector, the viewer, and frames that come as an
// agent sends them.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { until } from "./product.mjs";
import { assertNotTooWide, context, drawn, faults, grid, open, page, product, secondsLater, seriousFindings, start, text, tile, vm } from "./visit.mjs";

describe("with a collector and two hosts", () => {
  let agent;
  before(async () => {
    await start();
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
      await drawn(); // a browser tells of movements once a frame
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
    await page.locator(".vms tbody tr").nth(3).waitFor();
    const row = (name) => page.locator(".vms tbody tr", { has: page.getByRole("link", { name, exact: true }) });
    await until("rates are known", async () => /\d+ B\/s|KiB\/s/.test(await row("web").textContent()));
    const web = await row("web").textContent();
    for (const part of ["running", "34.6 %", "256 MiB / 1.00 GiB"]) assert.ok(web.includes(part), `${part} in ${web}`);
    assert.ok((await row("db").textContent()).includes("91.2 %"));
    assert.ok((await row("old").textContent()).includes("shut off"));
    assert.ok((await row("broken").textContent()).includes("crashed"));
    assert.match(await text(".missing"), /libvirt: no answer for 12 s/);
    await until("the frames themselves come", async () => /4 VMs · 8 CPUs · figures from eBPF/.test(await text(".facts")));
    assert.match(await text(".charts"), /CPU 12.3 %.*RAM 56.8 %.*Disk, busiest 3.2 %.*Temperatures.*CPU 49 °C.*board 33 °C/s);
    // Who made whom wait.
    await page.locator(".matrix td", { hasText: "%" }).first().waitFor();
    assert.match(await text(".matrix"), /db.*web/s);
  });

  test("the VM table is sorted by its heads, and the order is a link", async () => {
    await open("#/host/alpha.example");
    await page.locator(".vms tbody tr").nth(3).waitFor();
    const names = () => page.locator(".vms tbody tr th a").allTextContents();
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
    // Its name is known from the grid, the rest from its host's details.
    await page.locator(".facts", { hasText: "2 vCPUs · process 4711 · uuid uuid-web" }).waitFor();
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
    const picture = () => page.locator("canvas.chart").first().evaluate((canvas) => canvas.toDataURL());
    await drawn();
    const stopped = await picture();
    await secondsLater(2);
    await drawn();
    assert.equal(await picture(), stopped);
    await page.getByRole("button", { name: "Go on" }).click();
    await page.locator(".banner.paused").waitFor({ state: "hidden" });
    await until("it goes on", async () => (await picture()) !== stopped);
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
    await page.locator(".vms tbody tr").nth(3).waitFor();
    await until("a VM has the focus", async () => {
      await page.keyboard.press("Tab");
      return await page.evaluate(() => document.activeElement.matches(".vms tbody a"));
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

  /** Every view, and what is there once it has all that it shows. */
  const views = [
    ["#/", "a.tile >> nth=1"], ["#/worst", ".findings li >> nth=2"], ["#/host/alpha.example", ".matrix td"],
    ["#/host/alpha.example/vm/uuid-web", ".shares"], ["#/?search=nothing-has-this", ".state.nothing"], ["#/?collectors", ".collectors .connected"],
  ];

  async function eachView(visit) {
    for (const [hash, complete] of views) {
      await page.goto(product.url + hash);
      await page.locator(complete).first().waitFor();
      await visit(hash);
    }
  }

  test("nothing serious for axe, in every view, dark and light", async () => {
    await open("", { bypassCSP: true });
    for (const colorScheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme });
      await eachView(async (hash) => assert.deepEqual(await seriousFindings(), [], `${colorScheme} ${hash}`));
    }
  });

  test("at 390 px nothing is wider than the window", async () => {
    await open("", { viewport: { width: 390, height: 844 } });
    await eachView((hash) => assertNotTooWide(390, hash));
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
      await until(`the VMs of ${name}`, async () => (await page.locator(".vms tbody tr").count()) === hostile.length);
      const said = await page.locator("body").innerText();
      assert.doesNotMatch(said, /[\u202a-\u202e\u2066-\u2069\u0080-\u009f]/u);
    }
    await page.goto(`${product.url}#/worst`);
    await page.locator(".findings li").nth(9).waitFor();
    assert.ok(await page.evaluate(() => document.querySelector("main").scrollWidth <= window.innerWidth));
    other.close();
  });
});
