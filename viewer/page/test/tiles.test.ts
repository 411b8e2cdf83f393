import assert from "node:assert/strict";
import { test } from "node:test";
import { flow } from "../src/tiles";

const WINDOWS = [[390, 600], [768, 900], [1280, 720], [1920, 960], [2560, 1300]] as const;

test("tiles are all seen, inside the window, from 1 to 1000 hosts", () => {
  for (const [wide, tall] of WINDOWS) {
    for (const count of [1, 2, 7, 12, 50, 200, 1000]) {
      const { columns, width, height, gap, left, total } = flow(count, wide, tall);
      assert.ok(left + columns * (width + gap) - gap <= wide, `${count} at ${wide}: not wider`);
      assert.ok(total <= tall || width <= 14, `${count} at ${wide}x${tall}: ${total} high`);
      assert.ok(columns * Math.ceil(count / columns) >= count);
      assert.ok(height > 0 && Number.isInteger(width));
    }
  }
});

test("more hosts make smaller tiles, a larger window larger ones", () => {
  let last = Infinity;
  for (let count = 1; count <= 1000; count += 9) {
    const { width } = flow(count, 1280, 720);
    assert.ok(width <= last, `${count}`);
    last = width;
  }
  assert.ok(flow(100, 2560, 1300).width > flow(100, 1280, 720).width);
});

test("zoomed tiles need a scroll bar, and still fit into the width", () => {
  const { total, columns, width, gap } = flow(100, 390, 600, 4);
  assert.ok(total > 600);
  assert.ok(columns * (width + gap) - gap <= 390);
});

test("no host and no room do no harm", () => {
  assert.equal(flow(0, 1280, 720).total, 0);
  assert.ok(flow(5, 0, 0).width >= 0);
});
