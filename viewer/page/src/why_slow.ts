// Why a VM is slow, in a sentence, as far as its host can see.

import type { DetailSample } from "./details";
import { culpritsOf, recent } from "./extras";
import { shown } from "./names";
import { wholePercent } from "./units";

/** Below these nobody would notice, percent of the time; of waits as in the formula of health. */
const LEAST_WAIT = 5;
const LEAST_THROTTLED = 1;
const LEAST_PRESSURE = 5;
const MOST_CULPRITS = 3;

function mean(values: readonly (number | null | undefined)[]): number | null {
  const known = values.filter((value): value is number => typeof value === "number");
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** Over the last minute; null where the frames do not say enough for it. */
export function whySlow(samples: readonly DetailSample[], key: string): string | null {
  const window = recent(samples).flatMap((sample) => sample.vms.get(key)?.detail ?? []);
  const vcpus = window[window.length - 1]?.vcpus;
  const delay = mean(window.map(({ run_delay_percent }) => run_delay_percent));
  if (delay === null || !vcpus) return null;
  const parts: string[] = [];
  const waits = delay / vcpus;
  if (waits >= LEAST_WAIT) {
    const named = culpritsOf(samples, key)
      .map(({ label, rate }) => ({ label, percent: rate / 1e7 / vcpus }))
      .filter(({ label, percent }) => label !== "not seen" && percent >= waits / 20);
    const behind = named.slice(0, MOST_CULPRITS).map(({ label, percent }) => `${shown(label)} ${wholePercent(percent)}`);
    parts.push(`it waited for a CPU ${wholePercent(waits)} of the time${waits > 100 ? " (several threads at once)" : ""}${behind.length > 0 ? `, behind ${behind.join(", ")}` : ""}`);
  }
  const add = (what: string, value: number | null, least: number): void => {
    if (value !== null && value >= least) parts.push(`${what} ${wholePercent(value)} of the time`);
  };
  add("its CPU quota held it back", mean(window.map(({ throttled_percent }) => throttled_percent)), LEAST_THROTTLED);
  add("it lacked memory on the host", mean(window.map(({ memory_pressure_percent }) => memory_pressure_percent)), LEAST_PRESSURE);
  add("it waited for I/O", mean(window.map(({ io_pressure_percent }) => io_pressure_percent)), LEAST_PRESSURE);
  return parts.length === 0 ? "In the last minute it hardly waited for a CPU." : `In the last minute ${parts.join("; ")}.`;
}
