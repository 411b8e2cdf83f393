// Circles of given sizes in a box: none overlaps another or the edge, and they are as large as that
// allows. From one second to the next nothing moves unless circles come, go or change their size,
// and then the others give way as little as they must: each begins where it was.

export interface Circle {
  key: string;
  /** In units of the box's height; x from 0 to the box's shape. */
  x: number;
  y: number;
  r: number;
}

export interface Sized {
  key: string;
  /** Its area next to the others'. */
  size: number;
}

/** A circle is never smaller than this share of the largest one's radius: it is to be seen. */
const SMALLEST = 0.16;
/** Of the box's height, so that a single circle does not fill it. */
const LARGEST = 0.43;
const FILL = 0.84;
const ROUNDS = 24;
/** Pushes of each circle in a round; fewer of them where there are many. */
const MOST_STEPS = 120;
const LEAST_STEPS = 30;
const STEPS_SHARED = 9000;
/** From round to round they are asked to be so much smaller, until there is room. */
const SHRINK = 0.98;
/** Radii end this much smaller than they could be. */
const AIR = 0.955;
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));

/** Radii for the sizes, the largest 1. */
function radiiOf(items: readonly Sized[]): Float64Array {
  const radii = new Float64Array(items.length);
  let largest = 0;
  for (const { size } of items) largest = Math.max(largest, Number.isFinite(size) ? size : 0);
  items.forEach(({ size }, at) => {
    const share = largest > 0 && Number.isFinite(size) ? Math.sqrt(Math.max(0, size) / largest) : 1;
    radii[at] = Math.max(SMALLEST, share);
  });
  return radii;
}

/** How much larger the circles could be before one touches another or the edge. */
function room(x: Float64Array, y: Float64Array, r: Float64Array, shape: number): number {
  let least = Infinity;
  for (let i = 0; i < r.length; i++) {
    const wall = Math.min(x[i]!, y[i]!, shape - x[i]!, 1 - y[i]!);
    least = Math.min(least, wall / r[i]!);
    for (let j = i + 1; j < r.length; j++) {
      const dx = x[i]! - x[j]!;
      const dy = y[i]! - y[j]!;
      const reach = (r[i]! + r[j]!) * least;
      const apart = dx * dx + dy * dy;
      if (apart < reach * reach) least = Math.sqrt(apart) / (r[i]! + r[j]!);
    }
  }
  return least;
}

/** Pushes circles apart and into the box. */
function relax(x: Float64Array, y: Float64Array, r: Float64Array, scale: number, shape: number): void {
  const count = r.length;
  const steps = Math.min(MOST_STEPS, Math.max(LEAST_STEPS, Math.round(STEPS_SHARED / count)));
  for (let step = 0; step < steps; step++) {
    let moved = false;
    for (let i = 0; i < count; i++) {
      for (let j = i + 1; j < count; j++) {
        const reach = (r[i]! + r[j]!) * scale;
        let dx = x[j]! - x[i]!;
        if (dx > reach || dx < -reach) continue;
        let dy = y[j]! - y[i]!;
        let apart = dx * dx + dy * dy;
        if (apart >= reach * reach) continue;
        if (apart < 1e-12) {
          // One on the other: any way apart will do, but always the same.
          dx = Math.cos(j * GOLDEN_ANGLE) * 1e-3;
          dy = Math.sin(j * GOLDEN_ANGLE) * 1e-3;
          apart = dx * dx + dy * dy;
        }
        const distance = Math.sqrt(apart);
        const push = (reach - distance) / distance;
        // The smaller one gives way.
        const share = (r[j]! * r[j]!) / (r[i]! * r[i]! + r[j]! * r[j]!);
        x[i]! -= dx * push * share;
        y[i]! -= dy * push * share;
        x[j]! += dx * push * (1 - share);
        y[j]! += dy * push * (1 - share);
        moved = true;
      }
    }
    for (let i = 0; i < count; i++) {
      const wall = r[i]! * scale;
      x[i] = Math.min(Math.max(x[i]!, Math.min(wall, shape / 2)), Math.max(shape - wall, shape / 2));
      y[i] = Math.min(Math.max(y[i]!, Math.min(wall, 0.5)), Math.max(1 - wall, 0.5));
    }
    if (!moved) return;
  }
}

/** Places the circles in a box of height 1 and width `shape`; `previous` is the last result. */
export function pack(items: readonly Sized[], shape: number, previous: readonly Circle[] = []): Circle[] {
  const count = items.length;
  if (count === 0) return [];
  const r = radiiOf(items);
  const x = new Float64Array(count);
  const y = new Float64Array(count);
  const before = new Map(previous.map((circle) => [circle.key, circle]));
  // Those that are new begin on a sunflower, the large ones inside.
  const order = items.map((_, at) => at).sort((a, b) => r[b]! - r[a]! || (items[a]!.key < items[b]!.key ? -1 : 1));
  order.forEach((at, rank) => {
    const known = before.get(items[at]!.key);
    const out = Math.sqrt((rank + 0.5) / count) * 0.5;
    x[at] = known ? known.x : (0.5 + out * Math.cos(rank * GOLDEN_ANGLE)) * shape;
    y[at] = known ? known.y : 0.5 + out * Math.sin(rank * GOLDEN_ANGLE);
  });

  let area = 0;
  for (const radius of r) area += Math.PI * radius * radius;
  const most = LARGEST * Math.min(1, shape);
  let scale = Math.min(most, Math.sqrt((FILL * shape) / area));
  let best = 0;
  let bestX = x.slice();
  let bestY = y.slice();
  for (let round = 0; round < ROUNDS; round++) {
    relax(x, y, r, scale, shape);
    const fits = Math.min(most, room(x, y, r, shape));
    if (fits > best) {
      best = fits;
      bestX = x.slice();
      bestY = y.slice();
    }
    if (fits >= scale * 0.995) break;
    // A little less, until what is asked for is what there is room for.
    scale = Math.max(fits, scale * SHRINK);
  }
  return items.map(({ key }, at) => ({ key, x: bestX[at]!, y: bestY[at]!, r: best * r[at]! * AIR }));
}
