// The viewer's thresholds of health, by figure.

import type { Threshold } from "./colour";
import { FIGURES, type Figure } from "./overview";

export type Thresholds = Record<Figure, Threshold>;

/** Thresholds as the viewer names them, by figure. */
export function thresholdsOf(named: Record<string, Threshold>): Thresholds {
  const names: Record<Figure, string> = {
    cpu: "CPU", ram: "RAM", disk: "disk", cputemp: "CPU temperature", mbtemp: "board temperature",
  };
  const fallback: Threshold = [60, 85, 98];
  return Object.fromEntries(FIGURES.map((figure) => [figure, named[names[figure]] ?? fallback])) as Thresholds;
}
