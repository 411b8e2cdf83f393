// One hypervisor as a picture: the band with its name in the colour of its health; gauges left
// (temperatures) and right (CPU, RAM, disk); in the middle a circle for each VM. The smaller the
// tile, the fewer of these, down to a mark of a few pixels.

import { colourOf, severityOf, type Palette } from "./colour";
import { drawSmall, type Look } from "./draw_small";
import { drawVm } from "./draw_vm";
import type { GridHost } from "./grid_model";
import { fillBand, font, levelMark, middleText, type Paint } from "./ink";
import { fittedHost, shown } from "./names";
import type { Figure } from "./overview";
import type { Thresholds } from "./thresholds";
import { detailOf, FIGURE_LABELS, gaugeLevel, labelSize, LEFT, partsOf, placedVms, RIGHT, type Box, type Packings, type Parts } from "./tile_parts";
import { degrees, seconds, wholePercent } from "./units";

export class TilePainter implements Look {
  constructor(
    readonly paint: Paint,
    readonly colours: Palette,
    readonly thresholds: Thresholds,
    private readonly packings: Packings,
  ) {}

  tile(host: GridHost, box: Box): void {
    const { paint, colours } = this;
    const detail = detailOf(box.width);
    paint.save();
    paint.translate(box.x, box.y);
    paint.globalAlpha = host.sample.live ? 1 : 0.25 + 0.6 * host.sample.presence;
    if (detail === "dot" || detail === "small") {
      drawSmall(this, host, box.width, box.height);
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
    paint.save();
    paint.beginPath();
    paint.roundRect(0.5, 0.5, width - 1, parts.band, [corner, corner, 0, 0]);
    const ink = fillBand(paint, colours, sample);
    const size = Math.min(19, parts.band * (parts.detail === "full" ? 0.56 : 0.66));
    const pad = Math.max(4, parts.left * 0.9);
    const markSize = size * 0.5;
    const middle = parts.band / 2 + 0.5;
    const hasMark = sample.level !== "good" || !sample.live;
    if (hasMark) levelMark(paint, sample.level, sample.live, width - pad - markSize, middle, markSize, ink);
    paint.font = font(600, size);
    paint.fillStyle = ink;
    paint.textAlign = "left";
    let room = width - 2 * pad - (hasMark ? 2.6 * markSize : 0);
    if (!sample.live && parts.detail === "full") {
      const silent = `silent ${seconds(sample.age)}`;
      paint.textAlign = "right";
      middleText(paint, silent, pad + room, middle, size);
      paint.textAlign = "left";
      room -= paint.measureText(silent).width + size;
    }
    const text = fittedHost(shown(host.name), room, (part) => paint.measureText(part).width);
    middleText(paint, text, pad, middle, size);
    paint.restore();
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
    const size = labelSize(parts.gauge);
    paint.font = font(500, size);
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
      paint.font = font(400, 12);
      paint.textAlign = "center";
      middleText(paint, "no VMs", middle.x + middle.width / 2, middle.y + middle.height / 2, 12);
      return;
    }
    for (const circle of placed) drawVm(paint, colours, host, circle);
  }
}
