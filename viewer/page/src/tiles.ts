// How tiles fill the window: all of one size and shape, as large as lets all of them be seen.

export interface Flow {
  columns: number;
  width: number;
  height: number;
  gap: number;
  /** Of all tiles together; higher than the window where even the smallest do not fit. */
  total: number;
  /** Left of the first column, so that the tiles stand in the middle. */
  left: number;
}

/** Width to height. */
const SHAPE = 1.3;
const WIDEST = 880;
const NARROWEST = 12;

const gapFor = (width: number): number => (width < 30 ? 3 : width < 80 ? 5 : width < 180 ? 8 : 14);

/** `count` tiles in `room` px by `tall` px, `zoom` times as large as would fit (1: all are seen). */
export function flow(count: number, room: number, tall: number, zoom = 1): Flow {
  const usable = Math.max(1, room);
  let best = 0;
  // Columns decide the width; the most that fits into the height wins.
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const gap = gapFor(usable / columns);
    const rows = Math.ceil(count / columns);
    const byWidth = (usable - gap * (columns - 1)) / columns;
    const byHeight = ((tall - gap * (rows - 1)) / rows) * SHAPE;
    best = Math.max(best, Math.min(byWidth, byHeight));
    if (byWidth < best) break; // narrower from here on
  }
  const width = Math.floor(Math.min(WIDEST, usable, Math.max(NARROWEST, best * zoom)));
  const gap = gapFor(width);
  const columns = Math.max(1, Math.min(Math.max(1, count), Math.floor((usable + gap) / (width + gap))));
  const height = Math.round(width / SHAPE);
  const rows = Math.ceil(count / columns);
  return {
    columns, width, height, gap,
    total: Math.max(0, rows * (height + gap) - gap),
    left: Math.max(0, Math.floor((usable - columns * (width + gap) + gap) / 2)),
  };
}
