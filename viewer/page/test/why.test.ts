import assert from "node:assert/strict";
import { test } from "node:test";
import { cutVms, cutWords } from "../src/cut_frames";
import type { DetailSample, Loose, VmDetail } from "../src/details";
import { whySlow } from "../src/why_slow";

/** A minute of a VM with two vCPUs, of which it waited so much, by whom. */
function minute(delay: number | null, culprits: readonly [who: string, name: string | null, percent: number][], members: Partial<VmDetail> = {}): DetailSample[] {
  return Array.from({ length: 61 }, (_, at) => ({
    time: 1000 + at, host: { source: "ebpf" } as never, ext: {},
    vms: new Map([["web", {
      detail: { name: "web", uuid: "web", state: 1, vcpus: 2, run_delay_percent: delay, ...members } as VmDetail,
      ext: { run_delay_ns: at, wait: { counts: [], culprits: culprits.map(([who, name, percent]) => ({ who, ...(name === null ? {} : { name }), ns: at * percent * 1e7 })) } },
    }]]),
  }));
}

test("why a VM is slow: whom it waited behind, shared out over its vCPUs as the waiting is", () => {
  assert.equal(whySlow(minute(120, [["vm", "db", 60], ["process", "cc1", 30], ["unknown", null, 20], ["own_io", null, 1]]), "web"),
    "In the last minute it waited for a CPU 60 % of the time, behind db 30 %, cc1 (process) 15 %.");
  assert.equal(whySlow(minute(300, []), "web"), "In the last minute it waited for a CPU 150 % of the time (several threads at once).");
});

test("what else slows it, and that nothing does; what is not known is not said", () => {
  assert.equal(whySlow(minute(0.2, [], { throttled_percent: 12, memory_pressure_percent: 2, io_pressure_percent: 40 }), "web"),
    "In the last minute its CPU quota held it back 12 % of the time; it waited for I/O 40 % of the time.");
  assert.equal(whySlow(minute(0.2, [], { throttled_percent: null }), "web"), "In the last minute it hardly waited for a CPU.");
  assert.equal(whySlow(minute(null, []), "web"), null);
  assert.equal(whySlow(minute(50, [], { vcpus: null }), "web"), null);
  assert.equal(whySlow([], "web"), null);
});

test("what did not fit into a datagram is said, and how to have it", () => {
  const of = (ext: Loose, source = "ebpf", state = 1): DetailSample => ({
    time: 1, host: { source } as never, ext: {}, vms: new Map([["web", { detail: { name: "web\u202e", uuid: "web", state } as VmDetail, ext }]]),
  });
  const whole = of({ run_delay_ns: 1, wait: { counts: [1] } });
  const withoutWaits = of({ run_delay_ns: 1 });
  const withoutCounts = of({ run_delay_ns: 1, wait: { by_ns: {} } });
  assert.deepEqual([cutWords(whole, "web"), cutVms(whole)], [null, null]);
  assert.match(cutWords(withoutWaits, "web")!, /what it waits for.*--max-datagram/);
  assert.match(cutWords(withoutCounts, "web")!, /single waits.*--max-datagram/);
  assert.match(cutVms(withoutWaits)!, /what web\uFFFD waits for:.*--max-datagram/);
  assert.equal(cutVms(withoutCounts), null);
  // Who has no such figures has nothing to leave out.
  for (const sample of [of({ run_delay_ns: 1 }, "proc"), of({ run_delay_ns: 1 }, "ebpf", 5), of({}), undefined]) assert.equal(cutWords(sample, "web"), null);
});
