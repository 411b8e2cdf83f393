import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeOverview, UNKNOWN } from "../src/overview";

/** The example of tests/unit/viewer/web_messages.cpp, byte for byte. */
const EXAMPLE = `
  01010000 01000000 0000000000000040
  07000000 09000000 03c0c803 1400 4003f401ca0300806301 0100 09 6469736b2039372025
  01ff7f5b010080`;

function bytes(hex: string): ArrayBuffer {
  const clean = hex.replace(/\s/g, "");
  return Uint8Array.from(clean.match(/../g)!, (pair) => parseInt(pair, 16)).buffer;
}

test("the example of the viewer's own test", () => {
  const { time, hosts } = decodeOverview(bytes(EXAMPLE));
  assert.equal(time, 2);
  assert.equal(hosts.length, 1);
  const host = hosts[0]!;
  assert.deepEqual([host.number, host.serial, host.level], [7, 9, "bad"]);
  assert.equal(host.severity, 0.96);
  assert.deepEqual([host.presence, host.live, host.complete, host.missing], [1, true, true, false]);
  assert.equal(host.age, 2);
  assert.deepEqual(host.figures, { cpu: 83.2, ram: 50, disk: 97, cputemp: null, mbtemp: 35.5 });
  assert.equal(host.why, "disk 97 %");
  assert.deepEqual([...host.state], [1]);
  assert.ok(Math.abs(host.used[0]! - 0.5) < 1e-4);
  assert.equal(host.cpu[0], 347);
  assert.equal(host.delay[0], UNKNOWN);
});

test("what is no overview is refused, and one that is cut too", () => {
  assert.throws(() => decodeOverview(new ArrayBuffer(0)));
  assert.throws(() => decodeOverview(bytes("02".padEnd(32, "0"))));
  const whole = bytes(EXAMPLE);
  for (let size = 16; size < whole.byteLength; size++) assert.throws(() => decodeOverview(whole.slice(0, size)), RangeError);
});
