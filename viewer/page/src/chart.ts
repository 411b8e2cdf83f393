// Small charts on a canvas: lines over the last two minutes, states as a strip, heat maps.

import { sized } from "./dom";
import type { Palette } from "./colour";

export type Series = readonly (number | null)[];

export interface Line {
  values: Series;
  colour: string;
  /** Filled down to the axis, or to the line before where stacked. */
  filled?: boolean;
  dash?: number[];
}

function topOf(lines: readonly Line[]): number {
  let top = 0;
  for (const { values } of lines) for (const value of values) if (value !== null && value > top) top = value;
  return top;
}

/** A digit, but 7 or 9, times a power of ten, or of 1024 for bytes: the first that is not below `value`. */
export function niceTop(value: number, isBytes = false): number {
  if (value <= 0) return 1;
  const base = isBytes ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  const rest = value / base;
  const power = 10 ** Math.floor(Math.log10(rest));
  for (const step of [1, 2, 3, 4, 5, 6, 8, 10]) if (step * power >= rest * 0.9999) return step * power * base;
  return 10 * power * base;
}

/** A line without axes, for a table's cell. */
export function spark(canvas: HTMLCanvasElement, line: Line, width: number, height: number, top: number): void {
  const paint = sized(canvas, width, height);
  trace(paint, line, { x: 0, y: 1, width, height: height - 2 }, Math.max(top, topOf([line])), null);
}

interface Area { x: number; y: number; width: number; height: number }

function trace(paint: CanvasRenderingContext2D, line: Line, area: Area, top: number, below: Series | null): void {
  const { values } = line;
  const x = (at: number): number => area.x + (area.width * at) / Math.max(1, values.length - 1);
  const y = (value: number): number => area.y + area.height * (1 - Math.min(1, value / top));
  paint.lineJoin = "round";
  for (let from = 0; from < values.length; from++) {
    if (values[from] === null) continue;
    let to = from;
    while (to + 1 < values.length && values[to + 1] !== null) to++;
    if (line.filled) {
      paint.beginPath();
      for (let at = from; at <= to; at++) paint.lineTo(x(at), y(values[at]!));
      for (let at = to; at >= from; at--) paint.lineTo(x(at), y(below?.[at] ?? 0));
      paint.globalAlpha = below ? 0.45 : 0.22;
      paint.fillStyle = line.colour;
      paint.fill();
      paint.globalAlpha = 1;
    }
    paint.beginPath();
    for (let at = from; at <= to; at++) paint.lineTo(x(at), y(values[at]!));
    if (from === to) paint.arc(x(from), y(values[from]!), 1, 0, 2 * Math.PI);
    paint.strokeStyle = line.colour;
    paint.lineWidth = 1.5;
    paint.setLineDash(line.dash ?? []);
    paint.stroke();
    paint.setLineDash([]);
    from = to;
  }
}

export interface ChartStyle {
  format: (value: number) => string;
  /** At least so high. */
  top: number;
  /** Each line stands on the one before. */
  stacked?: boolean;
  isBytes?: boolean;
  span: string;
}

const FONT = "11px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

/** Lines over time, with a scale on the left and the span below. */
export function chart(canvas: HTMLCanvasElement, lines: readonly Line[], style: ChartStyle, colours: Palette): void {
  canvas.style.width = ""; // it has the room that there is now, not what it was drawn in last
  const width = canvas.clientWidth || canvas.parentElement?.clientWidth || 300;
  const height = 120;
  const paint = sized(canvas, width, height);
  let drawn = lines;
  if (style.stacked) {
    let sum: (number | null)[] | null = null;
    drawn = lines.map((line) => {
      const values: (number | null)[] = line.values.map((value, at) => {
        const under = sum?.[at] ?? null;
        return value === null && under === null ? null : (value ?? 0) + (under ?? 0);
      });
      sum = values;
      return { ...line, values };
    });
  }
  const top = Math.max(style.top, niceTop(topOf(drawn), style.isBytes));
  paint.font = FONT;
  const shares = [0, 0.5, 1];
  const left = Math.max(58, ...shares.map((share) => Math.ceil(paint.measureText(style.format(top * share)).width) + 8));
  const area: Area = { x: left, y: 6, width: width - left - 4, height: height - 24 };
  paint.textBaseline = "middle";
  for (const share of shares) {
    const y = Math.round(area.y + area.height * (1 - share)) + 0.5;
    paint.beginPath();
    paint.moveTo(area.x, y);
    paint.lineTo(area.x + area.width, y);
    paint.strokeStyle = colours.edge;
    paint.lineWidth = 1;
    paint.stroke();
    paint.fillStyle = colours.faint;
    paint.textAlign = "right";
    paint.fillText(style.format(top * share), area.x - 6, y);
  }
  paint.textBaseline = "alphabetic";
  paint.textAlign = "left";
  paint.fillText(style.span, area.x, height - 3);
  paint.textAlign = "right";
  paint.fillText("now", area.x + area.width, height - 3);
  if (drawn.every(({ values }) => values.every((value) => value === null))) {
    paint.textAlign = "center";
    paint.fillText("no figure in this time", area.x + area.width / 2, area.y + area.height / 4);
  }
  drawn.forEach((line, at) => trace(paint, line, area, top, style.stacked && at > 0 ? drawn[at - 1]!.values : null));
}

/** The state of a VM over time as a strip of segments; each state has its own height and colour. */
export function strip(canvas: HTMLCanvasElement, states: Series, width: number, height: number, colours: Palette): void {
  const paint = sized(canvas, width, height);
  const step = width / Math.max(1, states.length);
  const looks: Record<number, readonly [colour: string, tall: number]> = {
    1: [colours.scale[0]!, 1], 2: [colours.scale[16]!, 0.8], 3: [colours.accent, 0.55], 4: [colours.scale[32]!, 0.55],
    5: [colours.off, 0.25], 6: [colours.scale[64]!, 1], 7: [colours.accent, 0.35], 0: [colours.unknown, 0.25],
  };
  for (let from = 0; from < states.length; from++) {
    const state = states[from];
    let to = from;
    while (to + 1 < states.length && states[to + 1] === state) to++;
    if (state !== null && state !== undefined) {
      const [colour, tall] = looks[state] ?? looks[0]!;
      paint.fillStyle = colour;
      paint.fillRect(from * step, height * (1 - tall), (to + 1 - from) * step, height * tall);
    }
    from = to;
  }
}

/** Cells of 0 to 1, row by row, from top to bottom. */
export function heat(
  canvas: HTMLCanvasElement, rows: readonly (readonly (number | null)[])[], width: number, height: number, colours: Palette,
): void {
  const paint = sized(canvas, width, height);
  const tall = height / Math.max(1, rows.length);
  rows.forEach((row, down) => {
    const wide = width / Math.max(1, row.length);
    row.forEach((value, across) => {
      if (value === null) return;
      paint.globalAlpha = 0.08 + 0.92 * Math.min(1, Math.max(0, value));
      paint.fillStyle = value <= 0 ? colours.track : colours.accent;
      paint.fillRect(across * wide, down * tall, Math.ceil(wide), Math.ceil(tall) - (tall > 6 ? 1 : 0));
    });
  });
  paint.globalAlpha = 1;
}
