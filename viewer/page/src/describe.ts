// Hosts and VMs in words.

import type { App } from "./app";
import type { GridHost } from "./grid_model";
import { shown } from "./names";
import { UNKNOWN } from "./overview";
import { bytes, counted, degrees, isRunning, percent, seconds, STATES } from "./units";

export const LEVEL_WORDS: Record<string, string> = {
  good: "in good health", warn: "warning", bad: "in bad health", unknown: "health unknown",
};

/** "in bad health: disk 97 %", or how long it has been silent. */
export function healthWords({ sample }: GridHost): string {
  const words = LEVEL_WORDS[sample.level] ?? sample.level;
  const why = sample.why === "" ? words : `${words}: ${shown(sample.why)}`;
  return sample.live ? why : `silent for ${seconds(sample.age)}; before: ${why}`;
}

export function hostLines(host: GridHost, app: App): string[] {
  const { sample } = host;
  const { figures } = sample;
  const running = sample.state.reduce((sum, state) => sum + (isRunning(state) ? 1 : 0), 0);
  const lines = [
    shown(host.name), healthWords(host),
    `CPU ${percent(figures.cpu)}   RAM ${percent(figures.ram)}   disk ${percent(figures.disk)}`,
    `CPU ${degrees(figures.cputemp)}   board ${degrees(figures.mbtemp)}`,
    `${counted(host.vms.length, "VM")}, ${running} running`,
  ];
  if (!sample.live) lines.push(`forgotten in ${seconds(app.forgetAfter - sample.age)}`);
  if (sample.missing) lines.push("some figures are missing; open it to see why");
  return lines;
}

export function vmLines(host: GridHost, vm: number, app: App): string[] {
  const { sample } = host;
  const name = host.vms[vm];
  if (!name) return [];
  const given = name.givenKib === null ? null : name.givenKib * 1024;
  const used = given === null || Number.isNaN(sample.used[vm]!) ? null : given * sample.used[vm]!;
  const value = (tenths: number): number | null => (tenths === UNKNOWN ? null : tenths / 10);
  const lines = [shown(name.name), `${STATES[sample.state[vm]!] ?? "no state"} on ${shown(host.name)}`];
  if (isRunning(sample.state[vm]!)) {
    lines.push(`CPU ${percent(value(sample.cpu[vm]!))} of its vCPUs`, `waits for a CPU ${percent(value(sample.delay[vm]!))} of the time`);
  }
  lines.push(`memory ${bytes(used, app.units)} of ${bytes(given, app.units)}`);
  if (sample.stale[vm] === 1) lines.push("stale: not in the newest sample");
  return lines;
}
