// A figure with up to three lines over the last two minutes, and a legend that says their newest values.

import { chart, type ChartStyle, type Line, type Series } from "./chart";
import type { Palette } from "./colour";
import { h } from "./dom";

export interface Panel {
  element: HTMLElement;
  canvas: HTMLCanvasElement;
  values: HTMLElement[];
}

const DASHES: (number[] | undefined)[] = [undefined, [5, 3], [1, 3]];

/** A single line needs no legend: its value stands beside the title. */
export function panel(title: string, legends: readonly string[]): Panel {
  const values = legends.map(() => h("strong"));
  const canvas = h("canvas", { class: "chart", "aria-hidden": "true" });
  const isSingle = legends.length === 1;
  const caption = h("figcaption", {}, title, ...(isSingle ? [" ", values[0]] : []));
  const legend = isSingle ? null : h("div", { class: "legend" }, ...legends.map((name, at) =>
    h("span", { class: `line line-${at}` }, name, " ", values[at])));
  return { element: h("figure", {}, caption, legend, canvas), canvas, values };
}

/** `colour`: of a single line. */
export function drawPanel(to: Panel, all: readonly Series[], style: Omit<ChartStyle, "span">, colours: Palette, colour?: string): void {
  const strokes = [colour ?? colours.scale[0]!, colours.wait, colours.accent];
  const lines: Line[] = all.map((values, at) => ({
    values, colour: strokes[at]!, filled: !!style.stacked || at === 0, ...(DASHES[at] ? { dash: DASHES[at] } : {}),
  }));
  chart(to.canvas, lines, { ...style, span: "2 min ago" }, colours);
}
