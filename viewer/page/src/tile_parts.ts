// Where things are in a tile, and how much a tile of some size has room for.

import type { GridHost } from "./grid_model";
import type { Figure } from "./overview";
import { pack, type Circle } from "./packing";

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** How much a tile of this width shows. */
export type Detail = "full" | "medium" | "small" | "dot";

export function detailOf(width: number): Detail {
  if (width >= 190) return "full"; // narrower, the gauges' labels leave the VMs no room
  if (width >= 76) return "medium";
  return width >= 22 ? "small" : "dot";
}

export interface Parts {
  detail: Detail;
  band: number;
  gauge: number;
  gaugeGap: number;
  left: number;
  right: number;
  middle: Box;
}

export const LEFT: readonly Figure[] = ["cputemp", "mbtemp"];
export const RIGHT: readonly Figure[] = ["cpu", "ram", "disk"];
export const FIGURE_LABELS: Record<Figure, string> = { cpu: "CPU", ram: "RAM", disk: "I/O", cputemp: "CPU", mbtemp: "MB" };

/** Of the gauges' labels: the widest with the room beside it, as a multiple of its size. */
const LABEL_WIDTH = 2.75;

/** Of the text at a gauge that is so wide. */
export const labelSize = (gauge: number): number => Math.min(13, Math.max(8, gauge * 0.72));

/** Where things are in a tile of this size, from its upper left corner. */
export function partsOf(width: number, height: number): Parts {
  const detail = detailOf(width);
  const isFull = detail === "full";
  const band = isFull ? Math.min(38, Math.round(18 + width / 40)) : Math.max(13, Math.round(height * 0.17));
  const pad = isFull ? Math.max(8, width * 0.035) : Math.max(3, width * 0.04);
  const gauge = isFull ? Math.min(24, Math.max(7, width * 0.033)) : Math.max(3, Math.round(width * 0.035));
  const gaugeGap = isFull ? Math.max(gauge * 1.15, LABEL_WIDTH * labelSize(gauge) - gauge) : Math.max(2, gauge * 0.7);
  const side = (count: number): number => count * gauge + (count - 1) * gaugeGap;
  const left = pad;
  const right = width - pad - side(RIGHT.length);
  const inner = isFull ? pad * 1.2 : pad;
  const x = left + side(LEFT.length) + inner;
  return {
    detail, band, gauge, gaugeGap, left, right,
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
