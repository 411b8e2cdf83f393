// Numbers as people read them. Unknown is a dash, never 0.

export const UNKNOWN_MARK = "—";

/** Powers of 1024 (IEC: KiB) or of 1000 (SI: kB). */
export type UnitSystem = "iec" | "si";

const NAMES: Record<UnitSystem, readonly string[]> = {
  iec: ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
  si: ["B", "kB", "MB", "GB", "TB", "PB", "EB"],
};

const isKnown = (value: number | null | undefined): value is number =>
  value !== null && value !== undefined && Number.isFinite(value);

/** Three digits at most: "3.2", "32", "321". */
function short(value: number): string {
  return value !== 0 && Math.abs(value) < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

export function percent(value: number | null | undefined): string {
  return isKnown(value) ? `${value.toFixed(Math.abs(value) < 999.95 ? 1 : 0)} %` : UNKNOWN_MARK;
}

export function wholePercent(value: number | null | undefined): string {
  return isKnown(value) ? `${Math.round(value)} %` : UNKNOWN_MARK;
}

export function degrees(value: number | null | undefined): string {
  return isKnown(value) ? `${Math.round(value)} °C` : UNKNOWN_MARK;
}

export function bytes(value: number | null | undefined, system: UnitSystem): string {
  if (!isKnown(value)) return UNKNOWN_MARK;
  const base = system === "iec" ? 1024 : 1000;
  const names = NAMES[system];
  let unit = 0;
  let rest = value;
  while (rest >= base - 0.5 && unit + 1 < names.length) {
    rest /= base;
    unit++;
  }
  const digits = unit === 0 ? rest.toFixed(0) : rest < 9.995 ? rest.toFixed(2) : rest < 99.95 ? rest.toFixed(1) : rest.toFixed(0);
  return `${digits} ${names[unit]}`;
}

export function bytesPerSecond(value: number | null | undefined, system: UnitSystem): string {
  if (!isKnown(value)) return UNKNOWN_MARK;
  return value < 0.5 ? "0" : `${bytes(value, system)}/s`;
}

/** Operations: 0.5, 42, 12.3k, 1.2M. */
export function rate(value: number | null | undefined): string {
  if (!isKnown(value)) return UNKNOWN_MARK;
  if (value < 0.05) return "0";
  if (value < 9999.5) return short(value);
  return value < 999_950 ? `${(value / 1e3).toFixed(value < 99_950 ? 1 : 0)}k` : `${(value / 1e6).toFixed(value < 99_950_000 ? 1 : 0)}M`;
}

/** A span of time in its natural unit: "340 ns", "1.2 ms", "38 s". */
export function nanoseconds(value: number | null | undefined): string {
  if (!isKnown(value)) return UNKNOWN_MARK;
  if (value < 999.5) return `${value.toFixed(0)} ns`;
  if (value < 999_500) return `${short(value / 1e3)} µs`;
  if (value < 999_500_000) return `${short(value / 1e6)} ms`;
  return `${short(value / 1e9)} s`;
}

export function seconds(value: number | null | undefined): string {
  if (!isKnown(value)) return UNKNOWN_MARK;
  const whole = Math.max(0, Math.floor(value));
  if (whole < 120) return `${whole} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min`;
  if (whole < 172_800) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** virDomainState in a word. */
export const STATES = ["no state", "running", "blocked", "paused", "stopping", "shut off", "crashed", "suspended"] as const;

export const isRunning = (state: number): boolean => state === 1 || state === 2;
