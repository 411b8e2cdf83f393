// What a host or a VM did, asked of the collectors through the viewer.

import { isObject, listOf, numberOf, textOf, type Loose } from "./details";

export interface Asked {
  host: string;
  /** Of a VM; empty for the host itself. */
  uuid: string;
  metric: string;
  from: number;
  to: number;
  step: number;
}

export type Column = readonly (number | null)[];

export interface Metric {
  min: Column;
  mean: Column;
  max: Column;
}

export interface History {
  from: number;
  step: number;
  points: number;
  /** "samples", or the roll-up that they are from: "10s", "1min", "1h". */
  source: string;
  metrics: Record<string, Metric>;
}

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 259_200];
const WANTED_POINTS = 720;

/** Seconds of each point, so that a span has about as many as a chart has room for. */
export function stepFor(span: number): number {
  return STEPS.find((step) => span / step <= WANTED_POINTS) ?? 604_800;
}

export const SHORTEST_SPAN = 30;
export const LONGEST_SPAN = 5 * 366 * 86_400;

/** Spans that are offered, each with its name. */
export const SPANS: readonly (readonly [seconds: number, name: string])[] = [
  [300, "5 min"], [3600, "1 h"], [21_600, "6 h"], [86_400, "1 d"], [604_800, "1 week"], [2_419_200, "4 weeks"],
];
export const STANDARD_SPAN = 3600;

export const clampSpan = (span: number): number => Math.round(Math.min(LONGEST_SPAN, Math.max(SHORTEST_SPAN, span)));

const columnOf = (value: unknown, points: number): Column => {
  const list = listOf(value);
  return Array.from({ length: points }, (_, at) => numberOf(list[at]));
};

/** Null where it is no answer that is known here. */
export function readHistory(value: unknown): History | null {
  if (!isObject(value) || !isObject(value.metrics)) return null;
  const [from, step, points] = [numberOf(value.from), numberOf(value.step), numberOf(value.points)];
  if (from === null || step === null || points === null || step <= 0 || points < 0 || points > 100_000) return null;
  const metrics: Record<string, Metric> = {};
  for (const [name, metric] of Object.entries(value.metrics)) {
    if (!isObject(metric)) continue;
    metrics[name] = { min: columnOf(metric.min, points), mean: columnOf(metric.mean, points), max: columnOf(metric.max, points) };
  }
  return { from, step, points, source: textOf(value.source) ?? "", metrics };
}

export const isEmpty = ({ metrics }: History): boolean =>
  Object.values(metrics).every(({ mean }) => mean.every((value) => value === null));

/** Each value times `factor`. */
export const scaled = ({ min, mean, max }: Metric, factor: number): Metric => {
  const by = (column: Column): Column => column.map((value) => (value === null ? null : value * factor));
  return { min: by(min), mean: by(mean), max: by(max) };
};

interface Waiting {
  resolve(history: History): void;
  reject(reason: Error): void;
  timer: number;
}

const PATIENCE_MS = 12_000;

export class HistoryClient {
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  constructor(private readonly send: (command: { history: Asked & { id: number } }) => boolean) {}

  /** Rejects with words for a person. */
  ask(asked: Asked): Promise<History> {
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      if (!this.send({ history: { id, ...asked } })) {
        reject(new Error("there is no connection to the viewer"));
        return;
      }
      const timer = window.setTimeout(() => this.end(id)?.reject(new Error("the viewer gives no answer")), PATIENCE_MS);
      this.waiting.set(id, { resolve, reject, timer });
    });
  }

  take(message: Loose): void {
    const waiting = this.end(Number(message.id));
    if (!waiting) return;
    const history = readHistory(message.answer);
    if (history) waiting.resolve(history);
    else waiting.reject(new Error(textOf(message.error) ?? "the answer cannot be read"));
  }

  /** The connection to the viewer is gone, and what was asked with it. */
  lose(): void {
    for (const id of [...this.waiting.keys()]) this.end(id)?.reject(new Error("the connection to the viewer was lost"));
  }

  private end(id: number): Waiting | undefined {
    const waiting = this.waiting.get(id);
    if (waiting) window.clearTimeout(waiting.timer);
    this.waiting.delete(id);
    return waiting;
  }
}
