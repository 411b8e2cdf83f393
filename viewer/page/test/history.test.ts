import assert from "node:assert/strict";
import { test } from "node:test";
import { clockText, inputText, inputTime, momentText, tickText } from "../src/clock";
import { clampSpan, isEmpty, LONGEST_SPAN, readHistory, scaled, SHORTEST_SPAN, SPANS, stepFor } from "../src/history";

test("steps give as many points as a chart has room for, and never more than the collector gives", () => {
  for (let span = SHORTEST_SPAN; span <= LONGEST_SPAN; span = Math.ceil(span * 1.37)) {
    const points = span / stepFor(span);
    assert.ok(points <= 720, `${span}: ${points}`);
    if (span >= 720) assert.ok(points >= 180, `${span}: ${points}`);
  }
  assert.equal(stepFor(300), 1);
  for (const [span] of SPANS) assert.equal(clampSpan(span), span);
  assert.deepEqual([clampSpan(0), clampSpan(1e12), clampSpan(59.6)], [SHORTEST_SPAN, LONGEST_SPAN, 60]);
});

test("an answer is read column by column, and what is no number is not known", () => {
  const answer = { from: 100, step: 10, points: 3, source: "10s", metrics: { cpu_percent: { min: [1, null, "x"], mean: [2, null], max: [3] }, odd: 7 } };
  const history = readHistory(answer);
  assert.deepEqual(history?.metrics, { cpu_percent: { min: [1, null, null], mean: [2, null, null], max: [3, null, null] } });
  assert.deepEqual(scaled(history!.metrics.cpu_percent!, 10).mean, [20, null, null]);
  assert.equal(isEmpty(history!), false);
  assert.equal(isEmpty(readHistory({ ...answer, metrics: { a: { mean: [null] } } })!), true);
  for (const wrong of [null, [], {}, { ...answer, step: 0 }, { ...answer, points: 1e9 }, { ...answer, points: -1 }, { ...answer, from: "1" }, { ...answer, metrics: [] }]) {
    assert.equal(readHistory(wrong), null, JSON.stringify(wrong));
  }
});

test("times are written in the zone of who reads them, and read back", () => {
  const noon = new Date(2026, 10, 21, 12, 3, 7).getTime() / 1000;
  assert.equal(clockText(noon), "12:03:07");
  assert.equal(inputText(noon), "2026-11-21T12:03:07");
  assert.equal(inputTime(inputText(noon)), noon);
  assert.equal(inputTime("2026-11-21T12:03"), noon - 7);
  for (const text of ["", "noon", "2026-13-40T99:99", "1969-01-01T00:00:00"]) assert.equal(inputTime(text), null, text);
  assert.equal(momentText(noon, noon + 60), "12:03:07");
  assert.equal(momentText(noon, noon + 7 * 86_400), "21 Nov, 12:03:07");
  assert.deepEqual([1, 60, 86_400].map((step) => tickText(noon, step)), ["12:03:07", "12:03", "21 Nov"]);
  assert.equal(tickText(new Date(2026, 10, 21).getTime() / 1000, 3600), "21 Nov");
});
