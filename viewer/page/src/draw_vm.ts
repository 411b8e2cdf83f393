// A VM as a circle: its ring is the memory that it was given, its disc what it uses of that, its
// colour the load.

import { colourOf, loadSeverity, textOn, type Palette } from "./colour";
import type { GridHost } from "./grid_model";
import { font, middleText, stateMark, type Paint } from "./ink";
import { fitted, shown } from "./names";
import { UNKNOWN } from "./overview";
import type { Placed } from "./tile_parts";
import { isRunning } from "./units";

export function drawVm(paint: Paint, colours: Palette, host: GridHost, { vm, x, y, r }: Placed): void {
  const { sample } = host;
  const state = sample.state[vm]!;
  const runs = isRunning(state);
  const isStale = sample.stale[vm] === 1;
  const cpu = sample.cpu[vm]!;
  const used = sample.used[vm]!;
  const colour = !runs ? colours.off
    : cpu === UNKNOWN ? colours.unknown : colourOf(colours, loadSeverity(cpu / 10));
  const line = r > 16 ? 2 : r > 6 ? 1.5 : 1;
  // The ring is the memory that it was given.
  paint.beginPath();
  paint.arc(x, y, Math.max(0.5, r - line / 2), 0, 2 * Math.PI);
  paint.fillStyle = colours.track;
  paint.fill();
  paint.strokeStyle = runs ? colour : colours.unknown;
  paint.lineWidth = line;
  if (isStale || !runs) paint.setLineDash(r > 8 ? [4, 4] : [2, 2]);
  paint.stroke();
  paint.setLineDash([]);
  // The disc is what it uses of that.
  const inner = Math.max(1, (r - line * 1.8) * Math.sqrt(Number.isNaN(used) ? 0.2 : Math.max(0.02, used)));
  paint.beginPath();
  paint.arc(x, y, inner, 0, 2 * Math.PI);
  paint.fillStyle = colour;
  if (isStale) paint.globalAlpha *= 0.5;
  paint.fill();
  if (isStale) paint.globalAlpha /= 0.5;
  waiting(paint, colours, sample.delay[vm]!, x, y, r, line);
  const onDisc = runs ? textOn(colours, cpu === UNKNOWN ? null : loadSeverity(cpu / 10)) : colours.text;
  const isNamed = named(paint, host.vms[vm]?.name ?? "", x, y, r, inner, onDisc, colours.text);
  if (runs) load(paint, colours, cpu, x, y, r, inner, colour, isNamed === "disc");
  else if (r >= 5) stateMark(paint, state, x, y, Math.min(r * 0.42, 11), colours.text);
}

/** Of a name, pixels, and letters where it is cut. */
const LEAST_NAME_SIZE = 8.5;
const LEAST_OF_NAME = 8;

/** Writes the name where there is room for most of it: on the disc, below its figure, or on the ring
 * below the disc. */
function named(paint: Paint, name: string, x: number, y: number, r: number, inner: number, onDisc: string, onRing: string): "disc" | "ring" | null {
  const most = Math.min(16, Math.max(9.5, r * 0.17));
  const isOnDisc = inner >= 2.6 * most;
  if (!isOnDisc && r - inner < 2 * most) return null;
  const [below, within] = isOnDisc ? [inner * 0.42, inner] : [(inner + r) / 2 - most * 0.2, r];
  const room = 2 * Math.sqrt(Math.max(0, within ** 2 - (below + most / 2) ** 2)) - 5;
  const whole = shown(name);
  paint.font = font(500, most);
  const size = Math.max(LEAST_NAME_SIZE, Math.min(most, (most * room) / paint.measureText(whole).width));
  paint.font = font(500, size);
  const text = fitted(whole, room, (part) => paint.measureText(part).width);
  if (text !== whole && text.length < LEAST_OF_NAME) return null;
  paint.textAlign = "center";
  paint.fillStyle = isOnDisc ? onDisc : onRing;
  middleText(paint, text, x, y + below, size);
  return isOnDisc ? "disc" : "ring";
}

/** The share of time that it waits for a CPU: an arc on the ring. */
function waiting(paint: Paint, colours: Palette, delay: number, x: number, y: number, r: number, line: number): void {
  if (delay === UNKNOWN || delay < 50 || r < 4) return;
  paint.beginPath();
  paint.arc(x, y, r - line, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * Math.min(1, delay / 1000));
  paint.strokeStyle = colours.wait;
  paint.lineWidth = line * 2;
  paint.stroke();
}

/** The load in figures where there is room; a dot in the middle of a small one that is busy. */
function load(paint: Paint, colours: Palette, cpu: number, x: number, y: number, r: number, inner: number, colour: string, isNamed: boolean): void {
  if (cpu === UNKNOWN) return;
  const isInside = inner > 4;
  const ink = textOn(colours, loadSeverity(cpu / 10));
  if (inner >= 8.5) {
    const size = isNamed ? Math.min(34, inner * 0.46) : Math.min(20, inner * 0.86);
    paint.font = font(600, size);
    paint.textAlign = "center";
    paint.fillStyle = ink;
    middleText(paint, String(Math.round(cpu / 10)), x, isNamed ? y - size * 0.22 : y, size);
  } else if (cpu >= 850 && r >= 3) {
    paint.beginPath();
    paint.arc(x, y, Math.max(1, Math.min(3, r * 0.2)), 0, 2 * Math.PI);
    paint.fillStyle = isInside ? ink : colour;
    paint.fill();
  }
}
