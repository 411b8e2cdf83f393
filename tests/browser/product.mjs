// The product, running on free ports of loopback: a collector, a viewer with its page, senders of
// frames, and a browser that looks at it.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const build = process.env.VIRTPULSE_BUILD ?? join(here, "../../build/release");
export const binary = (name) => join(build, "bin", name);
const modules = join(build, "tests/browser/modules/package.json");
const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

/** A test that cannot run here says why, and ends as skipped. */
export function skip(reason) {
  console.log(`skipped: ${reason}`);
  process.exit(77);
}

/** What npm installed for the tests; tests/browser/CMakeLists.txt sees to it. */
export function installed(name) {
  if (!existsSync(modules)) skip("npm could not install playwright-core and axe-core");
  return createRequire(modules)(name);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` gives something; fails with `what` after `seconds`. */
export async function until(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const found = await condition();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it never came to that: ${what}`);
    await sleep(50);
  }
}

async function freePort(kind) {
  if (kind === "udp") {
    const socket = createSocket("udp4");
    await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
    const { port } = socket.address();
    await new Promise((resolve) => socket.close(resolve));
    return port;
  }
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A program that runs until `end`. */
export class Program {
  constructor(command, words) {
    this.said = "";
    this.process = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"] });
    this.over = new Promise((resolve) => this.process.on("close", (code) => resolve(code)));
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on("data", (data) => { this.said = (this.said + data).slice(-65536); });
    }
  }
  /** Until it says that; fails with its last words where it ends before. */
  async until(what, words, seconds = 30) {
    let isOver = false;
    void this.over.then(() => { isOver = true; });
    await until(what, () => isOver || words.test(this.said), seconds);
    if (!words.test(this.said)) throw new Error(`${what}? It ended: ${this.said.trim()}`);
  }
  async end(signal = "SIGTERM") {
    this.process.kill(signal);
    return await this.over;
  }
}

/** Sends frames as an agent does. */
export class Agent {
  constructor(port) {
    this.port = port;
    this.sequence = 0;
    this.socket = createSocket("udp4");
  }
  send(host) {
    const text = Buffer.from(JSON.stringify({
      time: Date.now() / 1000, cpu: 10, ram: 40, disk: 1, cputemp: null, mbtemp: null, vms: [], ...host,
    }));
    const datagram = Buffer.alloc(4 + text.length);
    datagram.writeUInt32BE(this.sequence++ >>> 0, 0);
    text.copy(datagram, 4);
    return new Promise((resolve) => this.socket ? this.socket.send(datagram, this.port, "127.0.0.1", resolve) : resolve());
  }
  /** Sends what `make` gives again and again. */
  each(make, ms = 500) {
    const send = () => { for (const host of [make()].flat()) if (host) void this.send(host); };
    send();
    this.timer = setInterval(send, ms);
  }
  close() {
    clearInterval(this.timer);
    this.socket?.close();
    this.socket = null;
  }
}

export class Product {
  /** A port that was free may be another's before it is taken: then others are. */
  static async start(options = {}, attempts = 3) {
    try {
      return await Product.startOnce(options);
    } catch (error) {
      if (attempts === 1 || !/in use/.test(error.message)) throw error;
      return await Product.start(options, attempts - 1);
    }
  }
  static async startOnce({ database = "none", collectorArguments = [], viewerArguments = [] }) {
    const product = new Product();
    product.database = database;
    product.udp = await freePort("udp");
    product.tcp = await freePort("tcp");
    product.http = await freePort("tcp");
    product.collectorArguments = collectorArguments;
    product.programs = [];
    product.viewerWords = ["--collector", `127.0.0.1:${product.tcp}`, "--web", `127.0.0.1:${product.http}`, ...viewerArguments];
    try {
      await product.startCollector();
      await product.startViewer();
    } catch (error) {
      await product.stop();
      throw error;
    }
    product.url = `${viewerArguments.includes("--web-cert") ? "https" : "http"}://127.0.0.1:${product.http}/`;
    return product;
  }
  run(command, words) {
    const program = new Program(command, words);
    this.programs.push(program);
    return program;
  }
  async startCollector() {
    this.collector = this.run(binary("virtpulse-collector"), ["--udp", `127.0.0.1:${this.udp}`, "--tcp", `127.0.0.1:${this.tcp}`, "--http", "none", "--db", this.database, ...this.collectorArguments]);
    await this.collector.until("the collector listens", /viewers on TCP/);
  }
  async startViewer() {
    this.viewer = this.run(binary("virtpulse-viewer"), this.viewerWords);
    await this.viewer.until("the page is served", /the page is at|no page in this build/);
    if (this.viewer.said.includes("no page in this build")) skip(this.viewer.said.trim());
  }
  agent() {
    const agent = new Agent(this.udp);
    (this.agents ??= []).push(agent);
    return agent;
  }
  grid(hosts, vms, ...more) {
    return this.run("/usr/bin/python3", [join(here, "grid_sender.py"), String(this.udp), "--hosts", String(hosts), "--vms", String(vms), ...more]);
  }
  async stop() {
    for (const agent of this.agents ?? []) agent.close();
    await Promise.all(this.programs.map((program) => program.end()));
  }
}

/** A certificate of its own making for 127.0.0.1, its key, and a token, as files in `directory`. */
export function makeDoor(directory) {
  const file = (name) => join(directory, name);
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", file("key.pem"), "-out", file("cert.pem")], { stdio: "ignore" });
  const token = randomBytes(24).toString("base64");
  writeFileSync(file("token"), `${token}\n`, { mode: 0o600 });
  chmodSync(file("key.pem"), 0o600);
  return { token, words: ["--web-cert", file("cert.pem"), "--web-key", file("key.pem"), "--web-token-file", file("token")] };
}

/** Rows of a SQLite file, each a list. */
export function rowsOf(database, sql) {
  const script = "import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchall()))";
  return JSON.parse(execFileSync("/usr/bin/python3", ["-c", script, database, sql], { encoding: "utf8" }));
}

/** A headless browser with no way out of this machine. */
export async function openBrowser() {
  if (!CHROMIUM) skip("there is no chromium");
  const { chromium } = installed("playwright-core");
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
  });
}
