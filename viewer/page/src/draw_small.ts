// A tile of a few pixels, as there are many of: health, and where there is room the host's name and
// the levels of CPU, RAM and disk.

import { colourOf, severityOf, textOn, type Palette } from "./colour";
import type { GridHost } from "./grid_model";
import { fillBand, font, levelMark, middleText, type Paint } from "./ink";
import { fittedHost, shown } from "./names";
import type { Thresholds } from "./thresholds";
import { detailOf, gaugeLevel, RIGHT } from "./tile_parts";

/** What a tile is drawn with. */
export interface Look {
  paint: Paint;
  colours: Palette;
  thresholds: Thresholds;
}

/** A band lower than this has no room for a name. */
const LEAST_FOR_NAME = 12;

export function drawSmall(look: Look, host: GridHost, width: number, height: number): void {
  if (detailOf(width) === "small" && height >= 18) withBars(look, host, width, height);
  else dot(look, host, width, height);
}

/** A host in good health is small and quiet; a bad one is all colour. */
function dot({ paint, colours }: Look, { sample }: GridHost, width: number, height: number): void {
  const inset = sample.level === "bad" ? 0 : sample.level === "warn" ? height * 0.1 : height * 0.22;
  paint.beginPath();
  paint.roundRect(inset, inset, width - 2 * inset, height - 2 * inset, Math.max(1.5, width * 0.1));
  paint.fillStyle = colourOf(colours, sample.severity);
  paint.fill();
  if (!sample.live) dashed(paint, colours);
  if (sample.level === "good" || height < 7) return;
  levelMark(paint, sample.level, sample.live, width / 2, height / 2, Math.min(5, height * 0.2), textOn(colours, sample.severity));
}

function withBars(look: Look, host: GridHost, width: number, height: number): void {
  const { paint, colours } = look;
  const { sample } = host;
  const isAllColour = sample.level === "bad" && sample.live;
  const corner = Math.max(1.5, width * 0.1);
  const head = Math.max(4, Math.round(height * 0.28));
  const hasName = head >= LEAST_FOR_NAME;
  // Where there is no name its mark may be the larger.
  const isLarge = isAllColour && !hasName;
  const band = isLarge ? Math.round(height * 0.4) : head;
  paint.beginPath();
  paint.roundRect(0, 0, width, height, corner);
  paint.fillStyle = isAllColour ? colourOf(colours, sample.severity) : colours.surface;
  paint.fill();
  if (!sample.live) dashed(paint, colours);
  bars(look, host, width, height - band, band, isAllColour ? textOn(colours, sample.severity) : null);

  paint.save();
  paint.beginPath();
  paint.roundRect(0, 0, width, band, [corner, corner, 0, 0]);
  const ink = fillBand(paint, colours, sample);
  let room = width - 6;
  if (sample.level !== "good" || !sample.live) {
    const r = isLarge ? Math.min(5, height * 0.2) : Math.min(4, band * 0.36);
    levelMark(paint, sample.level, sample.live, width - r - 3, band / 2, r, ink);
    room -= 2 * r + 3;
  }
  if (hasName) {
    const size = Math.min(10, band * 0.7);
    paint.font = font(600, size);
    paint.fillStyle = ink;
    paint.textAlign = "left";
    middleText(paint, fittedHost(shown(host.name), room, (part) => paint.measureText(part).width), 3, band / 2, size);
  }
  paint.restore();
}

function dashed(paint: Paint, colours: Palette): void {
  paint.strokeStyle = colours.faint;
  paint.lineWidth = 1;
  paint.setLineDash([2, 2]);
  paint.stroke();
  paint.setLineDash([]);
}

/** In what is below the band; all of one colour where `ink` is one. */
function bars({ paint, colours, thresholds }: Look, host: GridHost, width: number, height: number, top: number, ink: string | null): void {
  const pad = Math.max(2, Math.round(width * 0.1));
  const gap = Math.max(1, Math.round(width * 0.05));
  const bar = (width - 2 * pad - 2 * gap) / 3;
  const tall = height - 2 * Math.max(2, gap);
  const bottom = top + height - Math.max(2, gap);
  RIGHT.forEach((figure, at) => {
    const value = host.sample.figures[figure];
    if (value === null) return;
    const level = Math.max(1, tall * gaugeLevel(figure, value));
    paint.fillStyle = ink ?? colourOf(colours, severityOf(thresholds[figure], value));
    paint.fillRect(pad + at * (bar + gap), bottom - level, bar, level);
  });
}
