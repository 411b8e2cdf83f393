// What newer agents say of waits, block latency and exits: read member by member from the frames,
// as any of it may be missing or come from a version that says it otherwise.

import { isObject, listOf, numberOf, textOf, type DetailSample, type Loose } from "./details";
import { grown, quantile } from "./histogram";

/** Samples that rates and matrices look back: a minute, at one a second. */
export const WINDOW_S = 60;

/** Bucket i of a log2 histogram ends at first * 2^i ns; the last is open (docs/PROTOCOL.md, 2.1). */
export interface Scale {
  first: number;
  buckets: number;
}
export const WAIT_SCALE: Scale = { first: 1024, buckets: 24 };
export const BLOCK_SCALE: Scale = { first: 4096, buckets: 24 };

export function endsOf({ first, buckets }: Scale): number[] {
  return Array.from({ length: buckets }, (_, at) => (at === buckets - 1 ? Infinity : first * 2 ** at));
}

/** Cumulative counts, with the zeros that the frame leaves out at the end; null where there are none. */
export function countsOf(value: unknown, { buckets }: Scale): number[] | null {
  if (!Array.isArray(value) || value.length > buckets) return null;
  const counts = value.map(numberOf);
  if (counts.some((count) => count === null)) return null;
  return [...(counts as number[]), ...new Array<number>(buckets - counts.length).fill(0)];
}

/** Each sample's counts less the one's before, oldest first: a column of a heat map each. */
export function steps(readings: readonly (number[] | null)[]): (number[] | null)[] {
  return readings.slice(1).map((now, at) => grown(readings[at] ?? undefined, now ?? undefined));
}

/** Rows of a heat map from its columns, the longest time on top; 0 to 1 on a scale of roots, so that
 * a few long waits are seen beside many short ones. Empty rows above and below are left out. */
export function heatRows(columns: readonly (number[] | null)[]): { rows: (number | null)[][]; lowest: number; highest: number } {
  let most = 0;
  let lowest = Infinity;
  let highest = -1;
  for (const column of columns) {
    column?.forEach((count, bucket) => {
      if (count === 0) return;
      most = Math.max(most, count);
      lowest = Math.min(lowest, bucket);
      highest = Math.max(highest, bucket);
    });
  }
  const rows: (number | null)[][] = [];
  for (let bucket = highest; bucket >= lowest; bucket--) {
    rows.push(columns.map((column) => (column ? ((column[bucket] ?? 0) / most) ** 0.5 : null)));
  }
  return { rows, lowest, highest };
}

export interface Quantiles {
  p50: number | null;
  p99: number | null;
  count: number;
}

export function quantilesOf(before: number[] | null, after: number[] | null, scale: Scale): Quantiles {
  const counts = grown(before ?? undefined, after ?? undefined);
  if (!counts) return { p50: null, p99: null, count: 0 };
  const ends = endsOf(scale);
  return { p50: quantile(counts, ends, 0.5), p99: quantile(counts, ends, 0.99), count: counts.reduce((sum, count) => sum + count, 0) };
}

/** The samples of the last minute, oldest first. */
export function recent(samples: readonly DetailSample[]): readonly DetailSample[] {
  const newest = samples[samples.length - 1];
  return newest ? samples.filter(({ time }) => newest.time - time <= WINDOW_S) : [];
}

export const waitOf = (sample: DetailSample, key: string): Loose | null => {
  const wait = sample.vms.get(key)?.ext.wait;
  return isObject(wait) ? wait : null;
};

export interface Share {
  label: string;
  /** ns a second. */
  rate: number;
}

const CLASS_WORDS: Record<string, string> = {
  vm: "other VMs", process: "the host's processes", own_vcpu: "its own vCPUs", own_emulator: "its own emulator", own_io: "its own I/O threads",
  kernel: "the kernel", quota: "its CPU quota", idle: "a sleeping CPU", unknown: "not seen",
};
const OWN_WORDS: Record<string, string> = {
  own_vcpu: "own vCPUs", own_emulator: "own emulator", own_io: "own I/O threads", kernel: "kernel", quota: "CPU quota", idle: "sleeping CPU", unknown: "not seen",
};

/** A member of cumulative ns by name, as rates between the first sample that has it and the newest. */
function ratesBetween(readings: readonly { time: number; values: ReadonlyMap<string, number> }[]): Share[] {
  const newest = readings[readings.length - 1];
  if (!newest) return [];
  const out: Share[] = [];
  for (const [label, now] of newest.values) {
    const first = readings.find(({ values }) => values.has(label));
    const before = first?.values.get(label);
    if (!first || before === undefined || first.time >= newest.time || now < before) continue;
    out.push({ label, rate: (now - before) / (newest.time - first.time) });
  }
  return out.sort((a, b) => b.rate - a.rate);
}

function numbersOf(value: unknown): Map<string, number> {
  const out = new Map<string, number>();
  if (!isObject(value)) return out;
  for (const [name, member] of Object.entries(value)) {
    const number = numberOf(member);
    if (number !== null) out.set(name, number);
  }
  return out;
}

/** What a VM's waiting was charged to in the last minute. What is 0 at first is left out of a frame. */
export function waitClasses(samples: readonly DetailSample[], key: string): Share[] {
  const readings = recent(samples).flatMap((sample) => {
    const wait = waitOf(sample, key);
    return wait ? [{ time: sample.time, values: numbersOf(wait.by_ns) }] : [];
  });
  const names = new Set(readings.flatMap(({ values }) => [...values.keys()]));
  for (const { values } of readings) for (const name of names) if (!values.has(name)) values.set(name, 0);
  return ratesBetween(readings).filter(({ rate }) => rate > 0).map(({ label, rate }) => ({ label: CLASS_WORDS[label] ?? label, rate }));
}

/** Who by name had the CPU while the VM waited, in the last minute. */
export function culpritsOf(samples: readonly DetailSample[], key: string): Share[] {
  return ratesBetween(recent(samples).flatMap((sample) => {
    const wait = waitOf(sample, key);
    if (!wait) return [];
    const values = new Map<string, number>();
    for (const culprit of listOf(wait.culprits)) {
      if (!isObject(culprit)) continue;
      const [who, name, ns] = [textOf(culprit.who), textOf(culprit.name), numberOf(culprit.ns)];
      if (who === null || ns === null) continue;
      values.set(name === null ? (OWN_WORDS[who] ?? who) : who === "process" ? `${name} (process)` : name, ns);
    }
    return [{ time: sample.time, values }];
  })).filter(({ rate }) => rate > 0);
}

export interface Matrix {
  culprits: string[];
  victims: { key: string; name: string; rates: (number | null)[] }[];
}

/** Victims by culprits, in ns a second of waiting; the worst of both. */
export function matrixOf(samples: readonly DetailSample[], most = { victims: 12, culprits: 8 }): Matrix {
  const newest = samples[samples.length - 1];
  if (!newest) return { culprits: [], victims: [] };
  const byVictim = [...newest.vms].map(([key, { detail }]) => {
    const shares = culpritsOf(samples, key);
    return { key, name: detail.name, shares, sum: shares.reduce((sum, { rate }) => sum + rate, 0) };
  }).filter(({ sum }) => sum > 0).sort((a, b) => b.sum - a.sum).slice(0, most.victims);
  const sums = new Map<string, number>();
  for (const { shares } of byVictim) for (const { label, rate } of shares) sums.set(label, (sums.get(label) ?? 0) + rate);
  const culprits = [...sums].sort((a, b) => b[1] - a[1]).slice(0, most.culprits).map(([label]) => label);
  return {
    culprits,
    victims: byVictim.map(({ key, name, shares }) => ({
      key, name, rates: culprits.map((culprit) => shares.find(({ label }) => label === culprit)?.rate ?? null),
    })),
  };
}

export interface BlockDevice {
  device: string;
  read: Quantiles;
  write: Quantiles;
  /** One column a sample: reads and writes together. */
  columns: (number[] | null)[];
  ahead: Share[];
}

const deviceOf = (sample: DetailSample, key: string, device: string): Loose | null => {
  const found = listOf(sample.vms.get(key)?.ext.block).find((block) => isObject(block) && block.dev === device);
  return isObject(found) ? found : null;
};

function added(a: number[] | null, b: number[] | null): number[] | null {
  return a && b ? a.map((count, at) => count + b[at]!) : (a ?? b);
}

/** Latencies of the last minute, and who was ahead, of each device whose frames say them. */
export function blockDevices(samples: readonly DetailSample[], key: string): BlockDevice[] {
  const newest = samples[samples.length - 1];
  if (!newest) return [];
  const window = recent(samples);
  const out: BlockDevice[] = [];
  for (const block of listOf(newest.vms.get(key)?.ext.block)) {
    if (!isObject(block) || typeof block.dev !== "string") continue;
    if (!Array.isArray(block.read_latency) && !Array.isArray(block.write_latency)) continue;
    const { dev } = block;
    const readings = window.map((sample) => deviceOf(sample, key, dev));
    const series = (name: string): (number[] | null)[] => readings.map((reading) => reading && countsOf(reading[name] ?? [], BLOCK_SCALE));
    const [reads, writes] = [series("read_latency"), series("write_latency")];
    const last = reads.length - 1;
    // The first answers of the viewer can be without frames.
    const first = (readings: (number[] | null)[]): number[] | null => readings.find((one) => one !== null) ?? null;
    const name = (who: string): string => newest.vms.get(who)?.detail.name ?? who;
    out.push({
      device: dev,
      read: quantilesOf(first(reads), reads[last] ?? null, BLOCK_SCALE),
      write: quantilesOf(first(writes), writes[last] ?? null, BLOCK_SCALE),
      columns: steps(reads.map((counts, at) => added(counts, writes[at] ?? null))),
      ahead: ratesBetween(window.map((sample, at) => ({
        time: sample.time,
        values: new Map(listOf(readings[at]?.ahead).flatMap((one): [string, number][] => {
          const [who, ns] = [textOf(listOf(one)[0]), numberOf(listOf(one)[1])];
          return who === null || ns === null ? [] : [[name(who), ns]];
        })),
      }))).filter(({ rate }) => rate > 0),
    });
  }
  return out;
}

/** The cumulative members of an object of `ext`, as rates of the last minute. */
export function counterRates(samples: readonly DetailSample[], key: string, member: string): Share[] {
  return ratesBetween(recent(samples).flatMap((sample) => {
    const object = sample.vms.get(key)?.ext[member];
    return isObject(object) ? [{ time: sample.time, values: numbersOf(object) }] : [];
  })).filter(({ rate }) => rate > 0);
}

/** Exits of a VM by their reason: how many a second, or for how long the guest was left. */
export function exitReasons(samples: readonly DetailSample[], key: string, what: "exits" | "outside_ns"): Share[] {
  return ratesBetween(recent(samples).flatMap((sample) => {
    const kvm = sample.vms.get(key)?.ext.kvm;
    if (!isObject(kvm)) return [];
    return [{ time: sample.time, values: new Map(listOf(kvm.reasons).flatMap((one): [string, number][] => {
      const [reason, number] = [textOf(listOf(one)[0]), numberOf(listOf(one)[what === "exits" ? 1 : 2])];
      return reason === null || number === null ? [] : [[reason, number]];
    })) }];
  })).filter(({ rate }) => rate > 0);
}
