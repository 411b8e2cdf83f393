// Cumulative log2 histograms: the newest minus an older one is what happened in between.

/** What grew between two readings; null where one lacks it or ran backwards (the counters began anew). */
export function grown(before: readonly number[] | undefined, after: readonly number[] | undefined): number[] | null {
  if (!before || !after) return null;
  const out: number[] = [];
  for (let at = 0; at < after.length; at++) {
    const more = (after[at] ?? 0) - (before[at] ?? 0);
    if (more < 0) return null;
    out.push(more);
  }
  return out;
}

export function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** The value below which a share `q` of what was counted is. Bucket i ends at `ends[i]`; inside a
 * bucket its counts are taken as spread evenly. The last bucket is open: its beginning is given. */
export function quantile(counts: readonly number[], ends: readonly number[], q: number): number | null {
  const all = total(counts);
  if (all === 0) return null;
  let left = q * all;
  for (let at = 0; at < counts.length; at++) {
    const count = counts[at]!;
    const begin = at === 0 ? 0 : ends[at - 1]!;
    if (left <= count && count > 0) {
      if (at >= counts.length - 1 || !Number.isFinite(ends[at] ?? Infinity)) return begin;
      return begin + (ends[at]! - begin) * (left / count);
    }
    left -= count;
  }
  return ends[counts.length - 2] ?? null;
}
