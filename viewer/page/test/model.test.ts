import assert from "node:assert/strict";
import { test } from "node:test";
import { niceTop } from "../src/chart";
import { contrast, PALETTES, severityOf } from "../src/colour";
import { Details, type VmDetail } from "../src/details";
import { ranked, select, totalsOf, type GridHost } from "../src/grid_model";
import { grown, quantile } from "../src/histogram";
import { UNKNOWN, type HostSample } from "../src/overview";
import { HostHistory, SPAN } from "../src/rings";
import { sortVms } from "../src/vm_table";

function sample(members: Partial<HostSample> = {}, vms = 1): HostSample {
  return {
    number: 1, serial: 1, level: "good", severity: 0, presence: 1, live: true, complete: true, missing: false, age: 0,
    figures: { cpu: 10, ram: 20, disk: 0, cputemp: null, mbtemp: null }, why: "",
    state: new Uint8Array(vms).fill(1), stale: new Uint8Array(vms), used: new Float32Array(vms).fill(0.5),
    cpu: new Int16Array(vms).fill(100), delay: new Int16Array(vms).fill(UNKNOWN), ...members,
  };
}

function host(name: string, members: Partial<HostSample> = {}, vms: string[] = ["web"]): GridHost {
  return {
    number: 1, name, serial: 1, keys: vms, vms: vms.map((vm) => ({ name: vm, uuid: `uuid-${vm}`, key: vm, givenKib: 1 })),
    sample: sample(members, vms.length), history: new HostHistory(),
  };
}

test("hosts are chosen by health and words, and put in order", () => {
  const hosts = [host("h10"), host("h2", { level: "bad", severity: 0.9, why: "disk 97 %" }), host("h1", { live: false }), host("x", {}, ["Mail", "db"])];
  const model = { hosts: new Map(hosts.map((one) => [one.name, one])), rank: ranked(hosts.map(({ name }) => name)) };
  const query = { unhealthy: false, search: "", sort: "name" as const };
  const names = (change: object): string[] => select(model, { ...query, ...change }, 0.9).map(({ name }) => name);
  assert.deepEqual(names({}), ["h1", "h2", "h10", "x"]);
  assert.deepEqual(names({ unhealthy: true }), ["h1", "h2"]);
  assert.deepEqual(names({ search: "mail" }), ["x"]);
  assert.deepEqual(names({ search: "DISK h2" }), ["h2"]);
  assert.deepEqual(names({ search: "nothing" }), []);
  assert.deepEqual(names({ sort: "health" }), ["h1", "h2", "h10", "x"]);
  assert.deepEqual({ ...totalsOf(hosts) }, { hosts: 4, good: 3, warn: 0, bad: 1, unknown: 0, silent: 1, vms: 5, running: 5 });
});

test("the last two minutes: oldest first, null where nothing is known, moved with their VM", () => {
  const history = new HostHistory();
  history.take(sample({ cpu: Int16Array.of(100, 200) }, 2), ["a", "b"]);
  history.skip(1);
  history.take(sample({ cpu: Int16Array.of(300, 400), stale: Uint8Array.of(1, 0) }, 2), ["b", "c"]);
  assert.deepEqual(history.cpu("b").slice(-3), [20, null, null]);
  assert.deepEqual(history.cpu("c").slice(-3), [null, null, 40]);
  assert.deepEqual(history.cpu("a"), []);
  assert.equal(history.cpu("c").length, SPAN);
  for (let second = 0; second < 3 * SPAN; second++) history.take(sample({ cpu: Int16Array.of(second) }), ["c"]);
  assert.deepEqual(history.cpu("c").slice(-2).map((value) => Math.round(value! * 10)), [3 * SPAN - 2, 3 * SPAN - 1]);
  assert.equal(history.figure(3).every((value) => value === null), true);
});

const vm = (name: string, members: Partial<VmDetail> = {}): VmDetail => ({
  name, uuid: name, state: 1, state_name: "running", stale: false, cpu: null, ram: null, maxram: null, vcpus: 2, pid: null, rss_bytes: null,
  run_delay_percent: null, read_ops_s: null, write_ops_s: null, read_bytes_s: null, write_bytes_s: null, ...members,
});

test("VMs are sorted by any column, and what is not known comes last", () => {
  const entries = ["vm10", "vm2", "vm1"].map((name, at) => ({ key: name, vm: vm(name, { cpu: at === 1 ? null : at * 10 }) }));
  const order = (column: string): string[] => sortVms([...entries], column).map(({ key }) => key);
  assert.deepEqual(order("name"), ["vm1", "vm2", "vm10"]);
  assert.deepEqual(order("-name"), ["vm10", "vm2", "vm1"]);
  assert.deepEqual(order("-cpu"), ["vm1", "vm10", "vm2"]);
  assert.deepEqual(order("cpu"), ["vm10", "vm1", "vm2"]);
  assert.deepEqual(order("no such"), ["vm1", "vm2", "vm10"]);
});

test("details: parts are put together, frames of another host mean nothing", () => {
  const details = new Details();
  details.open("h");
  const message = (time: number, frames: unknown[]): { [name: string]: unknown } =>
    ({ type: "host", name: "h", host: { name: "h", time, vms: [vm("a"), vm("b")], missing: {} }, frames });
  details.take({ ...message(1, []), name: "other" });
  assert.equal(details.isAnswered, false);
  details.take(message(1, [{ ext: { cpus: 4 }, vms: [{ uuid: "a", ext: { pid: 7 } }] }]));
  details.take(message(1, [{ ext: { cpus: 4 }, vms: [{ uuid: "a", ext: { pid: 7 } }] }, { ext: {}, vms: [{ uuid: "b", ext: { pid: 8 } }, 5, null] }, "junk"]));
  assert.equal(details.samples.length, 1);
  assert.equal(details.newest?.ext.cpus, 4);
  assert.deepEqual([...details.newest!.vms.values()].map(({ ext }) => ext.pid), [7, 8]);
  assert.deepEqual(details.series("a", ({ ext }) => ext.pid as number).slice(-2), [null, 7]);
  details.take({ ...message(2, []), host: null });
  assert.deepEqual([details.isAnswered, details.newest], [true, undefined]);
});

test("quantiles from what grew between two histograms", () => {
  const ends = [1000, 2000, 4000, Infinity];
  assert.deepEqual(grown([1, 1, 0, 0], [1, 3, 2, 0]), [0, 2, 2, 0]);
  assert.equal(grown([5], [4]), null);
  assert.equal(grown(undefined, [4]), null);
  assert.equal(quantile([0, 2, 2, 0], ends, 0.5), 2000);
  assert.equal(quantile([0, 2, 2, 0], ends, 0.75), 3000);
  assert.equal(quantile([0, 0, 0, 9], ends, 0.99), 4000);
  assert.equal(quantile([0, 0, 0, 0], ends, 0.5), null);
});

test("colours: text on each of them can be read, and severity is the viewer's", () => {
  for (const palette of Object.values(PALETTES)) {
    palette.scale.forEach((colour, at) => assert.ok(contrast(colour, palette.onScale[at]!) >= 4.5, `${palette.name} ${at}`));
    for (const ink of [palette.text, palette.faint]) assert.ok(contrast(ink, palette.surface) >= 4.5, palette.name);
  }
  assert.equal(severityOf([60, 85, 98], 60), 0);
  assert.equal(severityOf([60, 85, 98], 72.5), 0.25);
  assert.equal(severityOf([60, 85, 98], 91.5), 0.75);
  assert.equal(severityOf([60, 85, 98], 99), 1);
});

test("scales end at round numbers", () => {
  assert.deepEqual([0, 0.35, 7, 100, 101].map((value) => niceTop(value)), [1, 0.4, 8, 100, 200]);
  assert.equal(niceTop(3000, true), 3 * 1024);
});
