import assert from "node:assert/strict";
import { test } from "node:test";
import { pack, type Circle, type Sized } from "../src/packing";

/** The same numbers in every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}

const SIZES = [1, 1, 2, 2, 4, 4, 8, 16, 32, 512];

function machines(count: number, seed = 1): Sized[] {
  const random = dice(seed);
  return Array.from({ length: count }, (_, at) => ({ key: `vm${at}`, size: SIZES[Math.floor(random() * SIZES.length)]! }));
}

function check(circles: readonly Circle[], shape: number): void {
  circles.forEach((a, i) => {
    assert.ok(a.r > 0 && Number.isFinite(a.r + a.x + a.y), `circle ${i} is one`);
    assert.ok(a.x - a.r >= 0 && a.y - a.r >= 0 && a.x + a.r <= shape && a.y + a.r <= 1, `${i} of ${circles.length} is inside`);
    for (const [j, b] of circles.entries()) {
      if (j <= i) continue;
      assert.ok(Math.hypot(a.x - b.x, a.y - b.y) >= a.r + b.r, `${i} and ${j} of ${circles.length} are apart`);
    }
  });
}

const areaOf = (circles: readonly Circle[]): number => circles.reduce((sum, { r }) => sum + Math.PI * r * r, 0);

test("circles never overlap, for 1 to 300 VMs", () => {
  for (let count = 1; count <= 300; count += count < 40 ? 1 : 13) {
    for (const shape of [0.7, 1.1, 2.2]) check(pack(machines(count, count), shape), shape);
  }
  check(pack(machines(300), 1.1), 1.1);
});

test("they make use of the box", () => {
  for (const count of [8, 30, 100, 300]) {
    assert.ok(areaOf(pack(machines(count).map(({ key }) => ({ key, size: 1 })), 1.1)) / 1.1 > 0.55, `${count}`);
  }
});

test("areas are as the sizes, down to what can be seen", () => {
  const [large, small, tiny] = pack([{ key: "a", size: 4 }, { key: "b", size: 1 }, { key: "c", size: 0.0001 }], 1) as [Circle, Circle, Circle];
  assert.ok(Math.abs(large.r / small.r - 2) < 1e-9);
  assert.ok(tiny.r / large.r > 0.1);
});

test("the same VMs are placed the same, and stay where they are", () => {
  const items = machines(60);
  const first = pack(items, 1.1);
  assert.deepEqual(pack(items, 1.1), first);
  for (const [at, circle] of pack(items, 1.1, first).entries()) {
    assert.ok(Math.hypot(circle.x - first[at]!.x, circle.y - first[at]!.y) < 0.05, "it moved");
  }
});

test("one that comes or goes leaves most of the others near their place", () => {
  const items = machines(50).map(({ key, size }) => ({ key, size: Math.min(size, 16) }));
  const first = pack(items, 1.1);
  for (const next of [items.slice(1), [...items, { key: "new", size: 4 }]]) {
    const before = new Map(first.map((circle) => [circle.key, circle]));
    const moves = pack(next, 1.1, first).flatMap((circle) => {
      const old = before.get(circle.key);
      return old ? [Math.hypot(circle.x - old.x, circle.y - old.y)] : [];
    }).sort((a, b) => a - b);
    assert.ok(moves[Math.floor(moves.length / 2)]! < 0.06, `half of them moved ${moves[Math.floor(moves.length / 2)]}`);
    check(pack(next, 1.1, first), 1.1);
  }
});

test("sizes that are not known, equal places, nothing at all", () => {
  check(pack([{ key: "a", size: NaN }, { key: "b", size: 0 }, { key: "c", size: -1 }, { key: "d", size: Infinity }], 1), 1);
  const same = { x: 0.5, y: 0.5, r: 0.1 };
  check(pack([{ key: "a", size: 1 }, { key: "b", size: 1 }], 1, [{ key: "a", ...same }, { key: "b", ...same }]), 1);
  assert.deepEqual(pack([], 1), []);
});
