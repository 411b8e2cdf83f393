// What a large grid costs: benchmark.mjs [HOSTS] [VMS] [SECONDS]
//
// Feeds the running product with frames of 1000 hosts of 50 VMs each second, and prints what the
// page's main thread is busy a second, what comes as overview, how the page's memory goes, how long
// a host takes to open, and what the viewer and the collector spend. Figures are of this machine,
// with everything on it.
import { readFileSync } from "node:fs";
import { openBrowser, Product, sleep, until } from "./product.mjs";

const [hosts = 1000, vms = 50, seconds = 60] = process.argv.slice(2).map(Number);
const TICKS = 100; // a second, of /proc/PID/stat

function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function residentMb(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024 / 1e6;
}

const product = await Product.start();
const sender = product.grid(hosts, vms);
const browser = await openBrowser();
const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 } })).newPage();
const devtools = await page.context().newCDPSession(page);
// CPU time of the thread: what others on the machine take is not ours.
await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
await page.addInitScript(() => {
  window.received = { bytes: 0, overviews: 0 };
  const Plain = window.WebSocket;
  window.WebSocket = class extends Plain {
    constructor(url) {
      super(url);
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string") return;
        window.received.bytes += data.byteLength;
        window.received.overviews++;
      });
    }
  };
});
const received = () => page.evaluate(() => ({ ...window.received }));
const metrics = async () => Object.fromEntries((await devtools.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
const heap = async () => {
  await devtools.send("HeapProfiler.collectGarbage");
  return (await metrics()).JSHeapUsedSize / 1e6;
};
await page.goto(product.url);
await until("all hosts are there", () => page.evaluate((count) => document.querySelectorAll("a.tile").length >= count, hosts), 60);
await sleep(5000);

const before = { ...(await metrics()), heap: await heap(), resident: residentMb(product.viewer.process.pid), viewer: cpuSeconds(product.viewer.process.pid), collector: cpuSeconds(product.collector.process.pid), at: performance.now() };
const receivedBefore = await received();
await sleep(seconds * 1000);
const receivedNow = await received();
const [bytes, overviews] = [receivedNow.bytes - receivedBefore.bytes, receivedNow.overviews - receivedBefore.overviews];
const now = { ...(await metrics()), viewer: cpuSeconds(product.viewer.process.pid), collector: cpuSeconds(product.collector.process.pid), at: performance.now() };
const took = (now.at - before.at) / 1000;
const after = await heap();
const residentAfter = residentMb(product.viewer.process.pid);

const opened = [];
const cpu = [];
for (let number = 1; number <= Math.min(5, hosts); number++) {
  const busy = (await metrics()).TaskDuration;
  const name = `hv-${String(number).padStart(4, "0")}.example`;
  opened.push(await page.evaluate(async ([name, count]) => {
    const begun = performance.now();
    location.hash = `#/host/${name}`;
    while (document.querySelectorAll(".vms tbody tr").length < count) await new Promise((next) => requestAnimationFrame(next));
    return performance.now() - begun;
  }, [name, vms]));
  cpu.push(1000 * ((await metrics()).TaskDuration - busy));
  await page.evaluate(() => { location.hash = "#/"; });
  await sleep(500);
}
const line = (what, figure) => console.log(`${what.padEnd(44)}${figure}`);
line("hosts x VMs", `${hosts} x ${vms}, ${took.toFixed(0)} s`);
line("main thread, ms of CPU a second", ((1000 * (now.TaskDuration - before.TaskDuration)) / took).toFixed(1));
line("  of that script", ((1000 * (now.ScriptDuration - before.ScriptDuration)) / took).toFixed(1));
line("overviews a second, kB each", `${(overviews / took).toFixed(2)}, ${overviews > 0 ? (bytes / overviews / 1000).toFixed(1) : "-"}`);
line("page's heap, MB before and after", `${before.heap.toFixed(1)}, ${after.toFixed(1)}`);
line("opening a host, ms", opened.map((ms) => ms.toFixed(0)).join(", "));
line("  of that CPU time of the main thread", cpu.map((ms) => ms.toFixed(0)).join(", "));
line("viewer, cores", ((now.viewer - before.viewer) / took).toFixed(3));
line("viewer's resident MB before and after", `${before.resident.toFixed(0)}, ${residentAfter.toFixed(0)}`);
line("collector, cores", ((now.collector - before.collector) / took).toFixed(3));
await browser.close();
await sender.end();
await product.stop();
process.exit(0);
