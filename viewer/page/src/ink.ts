// Text and marks on a canvas.

import { colourOf, textOn, type Palette } from "./colour";
import type { HostSample, Level } from "./overview";

export type Paint = CanvasRenderingContext2D;

const FAMILY = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

export const font = (weight: number, size: number): string => `${weight} ${size}px ${FAMILY}`;

/** Text whose capitals and digits have their middle at `y`; "middle" has it too high, as it makes
 * room for what hangs below the line. */
export function middleText(paint: Paint, text: string, x: number, y: number, size: number): void {
  paint.textBaseline = "alphabetic";
  paint.fillText(text, x, y + 0.36 * size);
}

/** Fills the path in the colour of a host's health, and gives the colour of what is written there.
 * The band of one that is silent pales, and what is written on it does not: it leaves no alpha. */
export function fillBand(paint: Paint, colours: Palette, sample: HostSample): string {
  paint.fillStyle = colourOf(colours, sample.severity);
  if (!sample.live) paint.globalAlpha = Math.min(paint.globalAlpha, 0.4);
  paint.fill();
  paint.globalAlpha = 1;
  return sample.live ? textOn(colours, sample.severity) : colours.text;
}

/** The level as a shape: a triangle for warn, a cross for bad, a question for unknown. */
export function levelMark(paint: Paint, level: Level, live: boolean, x: number, y: number, r: number, ink: string): void {
  paint.strokeStyle = ink;
  paint.fillStyle = ink;
  paint.lineWidth = Math.max(1.5, r * 0.34);
  paint.lineCap = "round";
  paint.lineJoin = "round";
  paint.beginPath();
  if (!live || level === "unknown") {
    paint.arc(x, y, r * 0.8, 0, 2 * Math.PI);
    paint.stroke();
  } else if (level === "warn") {
    paint.moveTo(x, y - r * 0.85);
    paint.lineTo(x + r, y + r * 0.8);
    paint.lineTo(x - r, y + r * 0.8);
    paint.closePath();
    paint.fill();
  } else if (level === "bad") {
    const d = r * 0.75;
    paint.moveTo(x - d, y - d);
    paint.lineTo(x + d, y + d);
    paint.moveTo(x + d, y - d);
    paint.lineTo(x - d, y + d);
    paint.stroke();
  }
}

/** Paused: two bars; crashed: a cross; off: nothing. */
export function stateMark(paint: Paint, state: number, x: number, y: number, r: number, ink: string): void {
  if (state !== 3 && state !== 6 && state !== 7) return;
  paint.strokeStyle = ink;
  paint.lineWidth = Math.max(1.5, r * 0.3);
  paint.lineCap = "round";
  paint.beginPath();
  if (state === 6) {
    paint.moveTo(x - r * 0.6, y - r * 0.6);
    paint.lineTo(x + r * 0.6, y + r * 0.6);
    paint.moveTo(x + r * 0.6, y - r * 0.6);
    paint.lineTo(x - r * 0.6, y + r * 0.6);
  } else {
    paint.moveTo(x - r * 0.35, y - r * 0.55);
    paint.lineTo(x - r * 0.35, y + r * 0.55);
    paint.moveTo(x + r * 0.35, y - r * 0.55);
    paint.lineTo(x + r * 0.35, y + r * 0.55);
  }
  paint.stroke();
}
