import assert from "node:assert/strict";
import { test } from "node:test";
import { fitted, fittedHost, shown } from "../src/names";
import { bytes, bytesPerSecond, degrees, nanoseconds, percent, rate, seconds } from "../src/units";

test("names keep what is text and lose what is not", () => {
  assert.equal(shown("web-1"), "web-1");
  assert.equal(shown("<script>alert(1)</script>"), "<script>alert(1)</script>");
  assert.equal(shown("a\u0000b\u001b[2Jc\u202ed\u2028e"), "a\uFFFDb\uFFFD[2Jc\uFFFDd\uFFFDe");
  assert.equal(shown("日本語"), "日本語");
  assert.equal(shown("   "), "(blank)");
  assert.equal(shown("x".repeat(60_000)).length, 255);
});

test("names are cut in their middle, never inside a character", () => {
  const measure = (text: string): number => [...text].length;
  assert.equal(fitted("hypervisor-17", 20, measure), "hypervisor-17");
  assert.equal(fitted("hypervisor-17", 7, measure), "hyp…-17");
  assert.equal(fitted("hypervisor-17", 0, measure), "");
  assert.equal(fitted("🖥🖥🖥🖥", 3, measure), "🖥…🖥");
});

test("a host that has no room loses its domain before its number", () => {
  const measure = (text: string): number => text.length;
  assert.equal(fittedHost("hv-0017.rack2.example", 30, measure), "hv-0017.rack2.example");
  assert.equal(fittedHost("hv-0017.rack2.example", 12, measure), "hv-0017");
  assert.equal(fittedHost("hv-0017.rack2.example", 5, measure), "hv…17");
  assert.equal(fittedHost("192.168.100.17", 9, measure), "192.…0.17");
  assert.equal(fittedHost(".hidden", 4, measure), ".h…n");
});

test("numbers as people read them", () => {
  assert.equal(percent(97.04), "97.0 %");
  assert.equal(percent(0), "0.0 %");
  assert.equal(percent(1234.5), "1235 %");
  assert.equal(degrees(93.4), "93 °C");
  assert.equal(bytes(0, "iec"), "0 B");
  assert.equal(bytes(1023, "iec"), "1023 B");
  assert.equal(bytes(1536, "iec"), "1.50 KiB");
  assert.equal(bytes(2 ** 31, "iec"), "2.00 GiB");
  assert.equal(bytes(1_500_000, "si"), "1.50 MB");
  assert.equal(bytes(1048575.9, "iec"), "1.00 MiB");
  assert.equal(bytesPerSecond(0.2, "iec"), "0");
  assert.equal(rate(42.4), "42");
  assert.equal(rate(12_345), "12.3k");
  assert.equal(nanoseconds(1_234_567), "1.2 ms");
  assert.equal(nanoseconds(340), "340 ns");
  assert.equal(seconds(200), "3 min");
});

test("what is not known is never 0", () => {
  for (const text of [percent(null), degrees(null), bytes(null, "si"), bytesPerSecond(undefined, "si"), rate(null), nanoseconds(NaN), seconds(null), percent(Infinity)]) {
    assert.equal(text, "—");
  }
});
