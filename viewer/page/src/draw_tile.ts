// One hypervisor as a picture: the band with its name in the colour of its health; gauges left
// (temperatures) and right (CPU, RAM, disk); in the middle a circle for each VM. The smaller the
// tile, the fewer of these, down to a mark of a few pixels.

import { colourOf, loadSeverity, severityOf, textOn, type Palette, type Threshold } from "./colour";
import type { GridHost } from "./grid_model";
import { fittedHost, shown } from "./names";
import { FIGURES, UNKNOWN, type Figure, type Level } from "./overview";
import { pack, type Circle } from "./packing";
import { degrees, isRunning, seconds, wholePercent } from "./units";

export type Thresholds = Record<Figure, Threshold>;

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How much a tile of this width shows. */
export type Detail = "full" | "medium" | "small" | "dot";

export function detailOf(width: number): Detail {
  if (width >= 170) return "full";
  if (width >= 76) return "medium";
  return width >= 22 ? "small" : "dot";
}

interface Parts {
  detail: Detail;
  band: number;
  gauge: number;
  gaugeGap: number;
  left: number;
  right: number;
  /** Of the gauges' labels. */
  label: number;
  middle: Box;
}

const LEFT: readonly Figure[] = ["cputemp", "mbtemp"];
const RIGHT: readonly Figure[] = ["cpu", "ram", "disk"];
export const FIGURE_LABELS: Record<Figure, string> = { cpu: "CPU", ram: "RAM", disk: "I/O", cputemp: "CPU", mbtemp: "MB" };

/** Where things are in a tile of this size, from its upper left corner. */
export function partsOf(width: number, height: number): Parts {
  const detail = detailOf(width);
  const isFull = detail === "full";
  const band = isFull ? Math.min(38, Math.round(18 + width / 40)) : Math.max(13, Math.round(height * 0.17));
  const pad = isFull ? Math.max(8, width * 0.035) : Math.max(3, width * 0.04);
  const label = isFull ? 26 : 0;
  const gauge = isFull ? Math.min(24, Math.max(7, width * 0.033)) : Math.max(3, Math.round(width * 0.035));
  const gaugeGap = isFull ? Math.max(10, gauge * 1.15) : Math.max(2, gauge * 0.7);
  const side = (count: number): number => count * gauge + (count - 1) * gaugeGap;
  const left = pad;
  const right = width - pad - side(RIGHT.length);
  const inner = isFull ? pad * 1.2 : pad;
  const x = left + side(LEFT.length) + inner;
  return {
    detail, band, gauge, gaugeGap, left, right, label,
    middle: { x, y: band + inner, width: Math.max(1, right - inner - x), height: Math.max(1, height - band - 2 * inner) },
  };
}

/** Circles of each host's VMs, packed anew only when the VMs or the shape change. */
export class Packings {
  private known = new WeakMap<readonly string[], { shape: number; circles: Circle[] }>();
  private last = new Map<string, Circle[]>();

  of(host: GridHost, shape: number): Circle[] {
    const rounded = Math.round(shape * 50) / 50;
    const found = this.known.get(host.keys);
    if (found?.shape === rounded) return found.circles;
    const items = host.vms.map((vm) => ({ key: vm.key, size: vm.givenKib ?? NaN }));
    const circles = pack(items, rounded, this.last.get(host.name));
    this.known.set(host.keys, { shape: rounded, circles });
    this.last.set(host.name, circles);
    if (this.last.size > 20_000) this.last.clear();
    return circles;
  }
}

export interface Placed {
  vm: number;
  x: number;
  y: number;
  r: number;
}

/** The circles of a host in a tile of this size, from its upper left corner; none in small ones. */
export function placedVms(host: GridHost, width: number, height: number, packings: Packings): Placed[] {
  const { detail, middle } = partsOf(width, height);
  if (detail !== "full" && detail !== "medium") return [];
  return packings.of(host, middle.width / middle.height).map((circle, vm) => ({
    vm, x: middle.x + circle.x * middle.height, y: middle.y + circle.y * middle.height, r: circle.r * middle.height,
  }));
}

/** How full a gauge is, 0 to 1. */
export function gaugeLevel(figure: Figure, value: number): number {
  const share = figure === "cputemp" || figure === "mbtemp" ? (value - 15) / 85 : value / 100;
  return Math.min(1, Math.max(0, share));
}

const FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif";

export class TilePainter {
  constructor(
    private readonly paint: CanvasRenderingContext2D,
    private readonly colours: Palette,
    private readonly thresholds: Thresholds,
    private readonly packings: Packings,
  ) {}

  tile(host: GridHost, box: Box): void {
    const { paint, colours } = this;
    const detail = detailOf(box.width);
    paint.save();
    paint.translate(box.x, box.y);
    paint.globalAlpha = host.sample.live ? 1 : 0.25 + 0.6 * host.sample.presence;
    if (detail === "dot" || detail === "small") {
      this.small(host, box.width, box.height);
    } else {
      const parts = partsOf(box.width, box.height);
      const corner = Math.min(12, box.width * 0.05);
      paint.beginPath();
      paint.roundRect(0.5, 0.5, box.width - 1, box.height - 1, corner);
      paint.fillStyle = colours.surface;
      paint.fill();
      paint.strokeStyle = colours.edge;
      paint.lineWidth = 1;
      if (!host.sample.live) paint.setLineDash([4, 4]);
      paint.stroke();
      paint.setLineDash([]);
      this.band(host, box, parts, corner);
      LEFT.forEach((figure, at) => this.gauge(host, figure, parts.left + at * (parts.gauge + parts.gaugeGap), box, parts));
      RIGHT.forEach((figure, at) => this.gauge(host, figure, parts.right + at * (parts.gauge + parts.gaugeGap), box, parts));
      this.vms(host, box);
    }
    paint.restore();
  }

  private band(host: GridHost, { width }: Box, parts: Parts, corner: number): void {
    const { paint, colours } = this;
    const { sample } = host;
    paint.beginPath();
    paint.roundRect(0.5, 0.5, width - 1, parts.band, [corner, corner, 0, 0]);
    paint.fillStyle = colourOf(colours, sample.severity);
    paint.fill();
    const ink = textOn(colours, sample.severity);
    const size = Math.min(19, parts.band * (parts.detail === "full" ? 0.56 : 0.66));
    const pad = Math.max(4, parts.left * 0.9);
    const markSize = size * 0.5;
    const hasMark = sample.level !== "good" || !sample.live;
    if (hasMark) this.mark(sample.level, sample.live, width - pad - markSize, parts.band / 2, markSize, ink);
    paint.font = `600 ${size}px ${FONT}`;
    paint.fillStyle = ink;
    paint.textBaseline = "middle";
    paint.textAlign = "left";
    let room = width - 2 * pad - (hasMark ? 2.6 * markSize : 0);
    if (!sample.live && parts.detail === "full") {
      const silent = `silent ${seconds(sample.age)}`;
      paint.textAlign = "right";
      paint.fillText(silent, pad + room, parts.band / 2 + 0.5);
      paint.textAlign = "left";
      room -= paint.measureText(silent).width + size;
    }
    const text = fittedHost(shown(host.name), room, (part) => paint.measureText(part).width);
    paint.fillText(text, pad, parts.band / 2 + 0.5);
  }

  /** The level as a shape: a triangle for warn, a cross for bad, a question for unknown. */
  private mark(level: Level, live: boolean, x: number, y: number, r: number, ink: string): void {
    const { paint } = this;
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

  private gauge(host: GridHost, figure: Figure, x: number, box: Box, parts: Parts): void {
    const { paint, colours } = this;
    const value = host.sample.figures[figure];
    const isFull = parts.detail === "full";
    const top = parts.middle.y + (isFull ? 12 : 0);
    const bottom = box.height - (isFull ? parts.left * 0.8 + 13 : parts.left);
    const tall = Math.max(2, bottom - top);
    const round = parts.gauge / 2;
    paint.beginPath();
    paint.roundRect(x, top, parts.gauge, tall, round);
    paint.fillStyle = colours.track;
    paint.fill();
    if (value === null) {
      paint.strokeStyle = colours.unknown;
      paint.lineWidth = 1;
      paint.setLineDash([2, 3]);
      paint.stroke();
      paint.setLineDash([]);
    } else {
      const full = Math.max(parts.gauge, tall * gaugeLevel(figure, value));
      paint.save();
      paint.clip();
      paint.beginPath();
      paint.roundRect(x, bottom - full, parts.gauge, full, round);
      paint.fillStyle = colourOf(colours, severityOf(this.thresholds[figure], value));
      paint.fill();
      paint.restore();
    }
    if (!isFull) return;
    const centre = x + parts.gauge / 2;
    const size = Math.min(13, Math.max(8, parts.gauge * 0.72));
    paint.font = `500 ${size}px ${FONT}`;
    paint.textAlign = "center";
    paint.fillStyle = colours.faint;
    paint.textBaseline = "alphabetic";
    paint.fillText(FIGURE_LABELS[figure], centre, bottom + size + 2);
    const text = figure === "cputemp" || figure === "mbtemp" ? degrees(value) : wholePercent(value);
    paint.fillStyle = colours.text;
    paint.fillText(text.replace(/ .*/, figure === "cputemp" || figure === "mbtemp" ? "°" : ""), centre, top - 4);
  }

  private vms(host: GridHost, box: Box): void {
    const { paint, colours } = this;
    const placed = placedVms(host, box.width, box.height, this.packings);
    if (placed.length === 0) {
      if (detailOf(box.width) !== "full") return;
      const { middle } = partsOf(box.width, box.height);
      paint.fillStyle = colours.faint;
      paint.font = `12px ${FONT}`;
      paint.textAlign = "center";
      paint.textBaseline = "middle";
      paint.fillText("no VMs", middle.x + middle.width / 2, middle.y + middle.height / 2);
      return;
    }
    for (const circle of placed) this.vm(host, circle);
  }

  private vm(host: GridHost, { vm, x, y, r }: Placed): void {
    const { paint, colours } = this;
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
    this.waiting(sample.delay[vm]!, x, y, r, line);
    if (runs) this.load(cpu, x, y, r, inner, colour);
    else if (r >= 5) this.stateMark(state, x, y, Math.min(r * 0.42, 11));
  }

  /** The share of time that it waits for a CPU: an arc on the ring. */
  private waiting(delay: number, x: number, y: number, r: number, line: number): void {
    if (delay === UNKNOWN || delay < 50 || r < 4) return;
    const { paint, colours } = this;
    paint.beginPath();
    paint.arc(x, y, r - line, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * Math.min(1, delay / 1000));
    paint.strokeStyle = colours.wait;
    paint.lineWidth = line * 2;
    paint.stroke();
  }

  /** The load in figures where there is room; a dot in the middle of a small one that is busy. */
  private load(cpu: number, x: number, y: number, r: number, inner: number, colour: string): void {
    const { paint, colours } = this;
    if (cpu === UNKNOWN) return;
    const isInside = inner > 4;
    const ink = textOn(colours, loadSeverity(cpu / 10));
    if (inner >= 8.5) {
      paint.font = `600 ${Math.min(20, inner * 0.86)}px ${FONT}`;
      paint.textAlign = "center";
      paint.textBaseline = "middle";
      paint.fillStyle = ink;
      paint.fillText(String(Math.round(cpu / 10)), x, y + 0.5);
    } else if (cpu >= 850 && r >= 3) {
      paint.beginPath();
      paint.arc(x, y, Math.max(1, Math.min(3, r * 0.2)), 0, 2 * Math.PI);
      paint.fillStyle = isInside ? ink : colour;
      paint.fill();
    }
  }

  /** Paused: two bars; crashed: a cross; off: nothing. */
  private stateMark(state: number, x: number, y: number, r: number): void {
    const { paint, colours } = this;
    if (state !== 3 && state !== 6 && state !== 7) return;
    paint.strokeStyle = colours.text;
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

  /** A few pixels: colour, and size and shape, for health; levels below where there is room. */
  private small(host: GridHost, width: number, height: number): void {
    const { paint, colours } = this;
    const { sample } = host;
    const colour = colourOf(colours, sample.severity);
    const corner = Math.max(1.5, width * 0.1);
    const isBad = sample.level === "bad";
    const hasBars = detailOf(width) === "small" && height >= 18;
    // A host in good health is small and quiet; a bad one is all colour.
    const inset = hasBars || isBad ? 0 : sample.level === "warn" ? height * 0.1 : height * 0.22;
    paint.beginPath();
    paint.roundRect(inset, inset, width - 2 * inset, height - 2 * inset, corner);
    paint.fillStyle = hasBars && !isBad ? colours.surface : colour;
    paint.fill();
    if (!sample.live) {
      paint.strokeStyle = colours.faint;
      paint.lineWidth = 1;
      paint.setLineDash([2, 2]);
      paint.stroke();
      paint.setLineDash([]);
    }
    if (hasBars) this.bars(host, width, height, corner, isBad ? textOn(colours, sample.severity) : null);
    if (sample.level !== "good" && (isBad || !hasBars) && height >= 7) {
      const r = Math.min(5, height * 0.2);
      const y = hasBars ? height * 0.21 : height / 2;
      this.mark(sample.level, sample.live, hasBars ? width - r - 3 : width / 2, y, r, textOn(colours, sample.severity));
    }
  }

  private bars(host: GridHost, width: number, height: number, corner: number, ink: string | null): void {
    const { paint, colours } = this;
    const band = Math.max(4, Math.round(height * (ink ? 0.4 : 0.28)));
    if (!ink) {
      paint.beginPath();
      paint.roundRect(0, 0, width, band, [corner, corner, 0, 0]);
      paint.fillStyle = colourOf(colours, host.sample.severity);
      paint.fill();
      if (host.sample.level === "warn") this.mark("warn", true, width - 6, band / 2, Math.min(4, band * 0.36), textOn(colours, host.sample.severity));
    }
    const pad = Math.max(2, Math.round(width * 0.1));
    const gap = Math.max(1, Math.round(width * 0.05));
    const bar = (width - 2 * pad - 2 * gap) / 3;
    const tall = height - band - 2 * Math.max(2, gap);
    const bottom = height - Math.max(2, gap);
    RIGHT.forEach((figure, at) => {
      const value = host.sample.figures[figure];
      if (value === null) return;
      const level = Math.max(1, tall * gaugeLevel(figure, value));
      paint.fillStyle = ink ?? colourOf(colours, severityOf(this.thresholds[figure], value));
      paint.fillRect(pad + at * (bar + gap), bottom - level, bar, level);
    });
  }
}

/** Thresholds as the viewer names them, by figure. */
export function thresholdsOf(named: Record<string, Threshold>): Thresholds {
  const names: Record<Figure, string> = {
    cpu: "CPU", ram: "RAM", disk: "disk", cputemp: "CPU temperature", mbtemp: "board temperature",
  };
  const fallback: Threshold = [60, 85, 98];
  return Object.fromEntries(FIGURES.map((figure) => [figure, named[names[figure]] ?? fallback])) as Thresholds;
}
