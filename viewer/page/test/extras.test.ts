import assert from "node:assert/strict";
import { test } from "node:test";
import type { DetailSample, Loose, VmDetail } from "../src/details";
import { BLOCK_SCALE, blockDevices, counterRates, countsOf, culpritsOf, exitReasons, heatRows, matrixOf, steps, WAIT_SCALE, waitClasses } from "../src/extras";

function samples(...exts: { [vm: string]: Loose }[]): DetailSample[] {
  return exts.map((vms, at) => ({
    time: 100 + at, host: {} as never, ext: {},
    vms: new Map(Object.entries(vms).map(([name, ext]) => [name, { detail: { name, uuid: name } as VmDetail, ext }])),
  }));
}

const wait = (ns: number, byQuota?: number): Loose => ({
  wait: {
    counts: [ns], by_ns: { vm: ns, ...(byQuota === undefined ? {} : { quota: byQuota }) },
    culprits: [{ who: "vm", name: "db", ns, waits: 1 }, { who: "process", name: "cc1", ns: 2 * ns }, { who: "quota", ns: 1 }],
  },
});

test("what a VM waited for, as rates; what a frame left out as 0 was 0", () => {
  const all = samples({ web: wait(100) }, { web: wait(300, 50) });
  assert.deepEqual(waitClasses(all, "web"), [{ label: "other VMs", rate: 200 }, { label: "its CPU quota", rate: 50 }]);
  assert.deepEqual(culpritsOf(all, "web"), [{ label: "cc1 (process)", rate: 400 }, { label: "db", rate: 200 }]);
});

test("the matrix has the worst victims and culprits, and is empty where nobody waited", () => {
  const { culprits, victims } = matrixOf(samples({ a: wait(0), b: wait(0), c: {} }, { a: wait(10), b: wait(99), c: {} }), { victims: 5, culprits: 1 });
  assert.deepEqual(culprits, ["cc1 (process)"]);
  assert.deepEqual(victims, [{ key: "b", name: "b", rates: [198] }, { key: "a", name: "a", rates: [20] }]);
  assert.deepEqual(matrixOf(samples({ a: wait(5) })), { culprits: ["cc1 (process)"].slice(1), victims: [] });
  assert.deepEqual(matrixOf([]), { culprits: [], victims: [] });
});

test("latencies of each device, and who was ahead by name", () => {
  const block = (count: number, ns: number): Loose => ({
    block: [{ dev: "vda", read_latency: [0, count], write_latency: [], ahead: [["db", ns], ["host", 1], "junk", [1, 2]] }, { dev: "vdb" }, 7],
  });
  const [device, ...others] = blockDevices(samples({ web: {}, db: {} }, { web: block(0, 0), db: {} }, { web: block(4, 1000), db: {} }), "web");
  assert.equal(others.length, 0);
  assert.equal(device!.device, "vda");
  assert.deepEqual(device!.read, { p50: 6144, p99: 4096 + 4096 * 0.99, count: 4 });
  assert.equal(device!.write.count, 0);
  assert.deepEqual(device!.columns[1]!.slice(0, 3), [0, 4, 0]);
  assert.deepEqual(device!.ahead, [{ label: "db", rate: 1000 }]);
});

test("members that are not what they should be do no harm", () => {
  for (const ext of [{ wait: 1 }, { wait: { counts: "x", by_ns: [1], culprits: { a: 1 } } }, { wait: { culprits: [null, 1, { who: 5 }] } },
    { block: "x" }, { block: [null, { dev: 4, read_latency: [] }, { dev: "a", read_latency: ["x"] }] }, { kvm: [1] }]) {
    const all = samples({ web: ext as Loose }, { web: ext as Loose });
    assert.deepEqual([waitClasses(all, "web"), culpritsOf(all, "web"), counterRates(all, "web", "kvm")], [[], [], []]);
    for (const device of blockDevices(all, "web")) assert.equal(device.read.count, 0);
  }
  assert.equal(countsOf(new Array(30).fill(1), WAIT_SCALE), null);
  assert.deepEqual(countsOf([3], BLOCK_SCALE)?.slice(0, 2), [3, 0]);
});

test("counters that ran backwards began anew and say nothing", () => {
  assert.deepEqual(culpritsOf(samples({ web: wait(100) }, { web: wait(50) }), "web"), []);
  assert.deepEqual(steps([[5], [3], [4]]), [null, [1]]);
});

test("exits by their reasons, and where the time went", () => {
  const kvm = (count: number): Loose => ({ kvm: { exits: count, guest_ns: 10 * count, reasons: [["hlt", count, 3 * count], ["io", 1, 1], ["bad"], 7] } });
  const all = samples({ web: kvm(5) }, { web: kvm(9) });
  assert.deepEqual(counterRates(all, "web", "kvm"), [{ label: "guest_ns", rate: 40 }, { label: "exits", rate: 4 }]);
  assert.deepEqual(exitReasons(all, "web", "exits"), [{ label: "hlt", rate: 4 }]);
  assert.deepEqual(exitReasons(all, "web", "outside_ns"), [{ label: "hlt", rate: 12 }]);
});

test("heat maps leave out empty rows", () => {
  const { rows, lowest, highest } = heatRows([[0, 4, 0, 0], null, [0, 0, 1, 0]]);
  assert.deepEqual([lowest, highest], [1, 2]);
  assert.deepEqual(rows, [[0, null, 0.5], [1, null, 0]]);
  assert.deepEqual(heatRows([]).rows, []);
});
