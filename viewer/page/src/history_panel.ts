// The history of a host or a VM: charts over one span of time, from seconds to years. Dragging over
// them zooms, a click looks at the whole grid of that time.

import uPlot from "uplot";
import type { App } from "./app";
import { momentText, tickText } from "./clock";
import type { Palette } from "./colour";
import { h, say, setAttribute } from "./dom";
import { clampSpan, isEmpty, scaled, SPANS, STANDARD_SPAN, stepFor, type History } from "./history";
import { shown } from "./names";
import { percent } from "./units";

export interface HistoryLine {
  metric: string;
  label: string;
  /** Of the metric's own unit. */
  factor?: () => number;
}

export interface HistoryChart {
  title: string;
  lines: readonly HistoryLine[];
  text: (value: number | null) => string;
  /** At least so high. */
  top: number;
  isBytes?: boolean;
}

export const percentTick = (value: number | null): string => (value !== null && Number.isInteger(value) ? `${value} %` : percent(value));

/** Why a host or VM is not there, at the time that is looked at. */
export function unknownWords(app: App, what: string, now: string): string {
  const { moment } = app;
  if (!app.hasData) return "Loading …";
  if (moment.state === "loading") return `Loading ${moment.at === null ? "now" : momentText(moment.at)} …`;
  if (moment.state === "failed") return `Nothing of ${momentText(moment.at)}: ${shown(moment.reason)}.`;
  return moment.state === "ready" ? `This ${what} is not known at ${momentText(moment.at)}: no frame of it came in the 30 seconds before.` : now;
}

interface Drawn {
  element: HTMLElement;
  place: HTMLElement;
  values: HTMLElement[];
  plot: uPlot | null;
}

const HEIGHT = 170;
/** Steps of an axis of bytes, in units of 1024. */
const POWERS_OF_2 = Array.from({ length: 60 }, (_, power) => 2 ** power);
/** So many steps without a sample are a gap: an agent that is late by a moment makes none. */
const GAP_STEPS = 3;
const DASHES: (number[] | undefined)[] = [undefined, [6, 4], [2, 4]];
const REFRESH_AT_LEAST_S = 5;
/** Keys that are held down ask once they are let go. */
const PATIENCE_MS = 200;

/** A captured pointer may be outside the chart; the cursor is not. Positions that no pointer gave are uPlot's own: -10 hides the cursor. */
const withinChart: uPlot.Cursor.MousePosRefiner = (plot, left, top) => {
  const { event } = plot.cursor;
  if (event?.type !== "mousemove" || event.buttons === 0) return [left, top];
  const clamp = (value: number, size: number): number => Math.min(Math.max(value, 0), size / uPlot.pxRatio);
  return [clamp(left, plot.bbox.width), clamp(top, plot.bbox.height)];
};

export class HistoryPanel {
  readonly element: HTMLElement;
  private readonly spans = new Map<number, HTMLAnchorElement>();
  private readonly range = h("span", { class: "range", role: "status" });
  private readonly notice = h("p", { class: "notice-line", role: "status" });
  private readonly retry = h("button", { type: "button", hidden: true, onclick: () => this.load() }, "Try again");
  private readonly charts: Drawn[];
  private readonly body: HTMLElement;
  private history: History | null = null;
  private error: string | null = null;
  /** What was asked for last, and what is to be. */
  private asked = "";
  private wanted = "";
  private serial = 0;
  private isLoading = false;
  private nextRefresh = 0;
  private timer = 0;
  private palette: Palette | null = null;
  private units: App["units"];
  private readonly size = new ResizeObserver(() => this.resize());

  constructor(private readonly app: App, private readonly kinds: readonly HistoryChart[]) {
    this.charts = kinds.map(({ title, lines }) => {
      const values = lines.map(() => h("strong"));
      const place = h("div", { class: "plot" });
      const legend = h("div", { class: "legend" }, ...lines.map(({ label }, at) => h("span", { class: `line line-${at}` }, label, " ", values[at])));
      return { element: h("figure", {}, h("figcaption", {}, title), legend, place), place, values, plot: null };
    });
    const links = SPANS.map(([span, name]) => {
      const link = h("a", {}, name);
      this.spans.set(span, link);
      return link;
    });
    this.body = h("div", { class: "charts wide" }, ...this.charts.map(({ element }) => element));
    this.element = h("section", { class: "history", tabindex: 0, role: "region", "aria-label": "History. Plus and minus zoom, arrow keys move, Home goes back to now.",
      onkeydown: (event: KeyboardEvent) => this.key(event) },
      h("div", { class: "history-head" }, h("h2", {}, "History"), h("nav", { class: "spans", "aria-label": "Span of time" }, ...links),
        h("div", { class: "group" },
          this.button("Earlier", "‹", () => this.move(-0.5)), this.button("Later", "›", () => this.move(0.5)),
          this.button("Zoom out", "−", () => this.zoom(2)), this.button("Zoom in", "+", () => this.zoom(0.5))),
        this.range),
      h("div", { class: "history-notice" }, this.notice, this.retry), this.body);
    this.units = app.units;
    this.size.observe(this.element);
  }

  update(): void {
    const { route, colours, units } = this.app;
    const { from, to } = this.span();
    for (const [span, link] of this.spans) {
      setAttribute(link, "href", this.app.link({ span, end: null }));
      setAttribute(link, "aria-current", route.span === span && route.end === null ? "true" : null);
    }
    say(this.range, `${momentText(from)} to ${this.isLive() ? "now" : momentText(to)}`);
    this.wanted = `${route.host}\n${route.uuid}\n${route.span}\n${route.end ?? ""}\n${route.at ?? ""}`;
    if (this.app.stream.kind !== "open") {
      // Asked once there is somebody to ask.
      if (this.asked !== "" || !this.isLoading) this.wait();
    } else if (this.wanted !== this.asked) this.later();
    else if (this.isLive() && !this.isLoading && !this.timer && Date.now() / 1000 >= this.nextRefresh) this.load();
    if (colours !== this.palette || units !== this.units) this.draw();
  }

  close(): void {
    this.serial++;
    window.clearTimeout(this.timer);
    this.size.disconnect();
    for (const chart of this.charts) chart.plot?.destroy();
  }

  private button(name: string, sign: string, onclick: () => void): HTMLButtonElement {
    return h("button", { type: "button", "aria-label": name, title: name, onclick }, sign);
  }

  private isLive(): boolean {
    return this.app.route.end === null && this.app.route.at === null;
  }

  /** The time cursor has something on either side of it. */
  private span(): { from: number; to: number } {
    const { span, end, at } = this.app.route;
    const now = Math.floor(Date.now() / 1000);
    const to = end ?? (at === null ? now : Math.min(now, at + Math.round(span / 4)));
    return { from: Math.max(0, to - span), to };
  }

  private wait(): void {
    this.asked = "";
    this.serial++;
    this.error = null;
    this.isLoading = true;
    this.say();
  }

  private later(): void {
    if (this.timer !== 0 || this.asked === "") window.clearTimeout(this.timer);
    const isFirst = this.asked === "";
    this.asked = this.wanted;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.load();
    }, isFirst ? 0 : PATIENCE_MS);
    this.isLoading = true;
    this.say();
  }

  private load(): void {
    const { route } = this.app;
    const { from, to } = this.span();
    const step = stepFor(route.span);
    const serial = ++this.serial;
    this.isLoading = true;
    this.nextRefresh = Date.now() / 1000 + Math.max(REFRESH_AT_LEAST_S, step);
    const metric = [...new Set(this.kinds.flatMap(({ lines }) => lines.map((line) => line.metric)))].join(",");
    this.app.history.ask({ host: route.host, uuid: this.uuid(), metric, from, to: to + 1, step }).then(
      (history) => this.loaded(serial, history, null), (reason: Error) => this.loaded(serial, null, reason.message));
    this.say();
  }

  /** The key has more than the uuid where a host has two of the same. */
  private uuid(): string {
    return this.app.route.uuid.replace(/ \d+$/, "");
  }

  private loaded(serial: number, history: History | null, error: string | null): void {
    if (serial !== this.serial) return;
    this.isLoading = false;
    this.error = error;
    // A refresh that fails leaves what is there, and says so.
    if (history || !this.isLive()) this.history = history;
    this.say();
    this.draw();
  }

  private say(): void {
    const { error, history } = this;
    let [kind, text] = ["", ""];
    if (error !== null && /nothing is stored/.test(error)) [kind, text] = ["store", "The collector stores nothing, so there is no history. It does with --db FILE."];
    else if (error !== null) [kind, text] = ["failed", `No history: ${shown(error)}.`];
    else if (this.isLoading && !history) [kind, text] = ["loading", "Loading the history …"];
    else if (history && isEmpty(history)) [kind, text] = ["nothing", "Nothing is stored of this time."];
    this.notice.className = `notice-line ${kind}`;
    say(this.notice, text);
    this.notice.hidden = text === "";
    this.retry.hidden = kind !== "failed";
    this.body.hidden = !history || isEmpty(history);
    this.element.classList.toggle("is-loading", this.isLoading);
    setAttribute(this.element, "aria-busy", String(this.isLoading));
  }

  private draw(): void {
    const { history } = this;
    if (!history || this.body.hidden) return;
    if (this.palette !== this.app.colours || this.units !== this.app.units) for (const chart of this.charts) {
      chart.plot?.destroy();
      chart.plot = null;
    }
    this.palette = this.app.colours;
    this.units = this.app.units;
    const times = Array.from({ length: history.points }, (_, at) => history.from + at * history.step);
    this.kinds.forEach((kind, at) => {
      const chart = this.charts[at]!;
      const columns = kind.lines.map(({ metric, factor }) => {
        const found = history.metrics[metric];
        return found ? scaled(found, factor?.() ?? 1) : { min: [], mean: [], max: [] };
      });
      chart.element.hidden = columns.every(({ mean }) => mean.every((value) => value === null));
      if (chart.element.hidden) return;
      const data = [times, ...columns.flatMap(({ min, mean, max }) => [[...mean], [...max], [...min]])] as uPlot.AlignedData;
      if (chart.plot) chart.plot.setData(data);
      else chart.plot = this.plot(kind, chart, data);
      this.values(kind, chart, null);
    });
  }

  /** What the legend says: the point under the pointer, else the newest that is known. */
  private values(kind: HistoryChart, chart: Drawn, index: number | null): void {
    kind.lines.forEach((_, at) => {
      const column = chart.plot?.data[1 + 3 * at] as (number | null)[] | undefined;
      let value = index === null ? null : column?.[index] ?? null;
      for (let last = (column?.length ?? 0) - 1; index === null && last >= 0 && value === null; last--) value = column?.[last] ?? null;
      say(chart.values[at]!, kind.text(value));
    });
  }

  private plot(kind: HistoryChart, chart: Drawn, data: uPlot.AlignedData): uPlot {
    const colours = this.app.colours;
    const strokes = [colours.scale[0]!, colours.wait, colours.accent];
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    kind.lines.forEach((_, at) => {
      const stroke = strokes[at]!;
      const dash = DASHES[at];
      const gaps: uPlot.Series.GapsRefiner = (plot, _series, _from, _to, found) => {
        const least = plot.valToPos((this.history?.step ?? 1) * GAP_STEPS, "x", true) - plot.valToPos(0, "x", true);
        return found.filter(([begin, end]) => end - begin > least);
      };
      const hidden: uPlot.Series = { gaps, width: 0, points: { show: false } };
      bands.push({ series: [3 * at + 2, 3 * at + 3], fill: `${stroke}30` });
      series.push({ gaps, stroke, width: 1.5, points: { show: false }, ...(dash ? { dash } : {}) }, hidden, hidden);
    });
    const axis = { stroke: colours.faint, font: "11px system-ui, 'DejaVu Sans', sans-serif", grid: { stroke: colours.edge, width: 1 }, ticks: { show: false } };
    return new uPlot({
      width: this.width(), height: HEIGHT, series, bands, legend: { show: false },
      scales: {
        x: { time: true, range: () => {
          const { from, to } = this.shownSpan();
          return [from, to];
        } },
        y: { range: (_, __, most) => [0, Math.max(kind.top, (most ?? 0) * 1.05)] },
      },
      axes: [
        { ...axis, size: 28, space: 70, values: (_, splits, __, ___, step) => splits.map((time) => tickText(time, step)) },
        { ...axis, size: 66, gap: 4, space: 34, ...(kind.isBytes && this.app.units === "iec" ? { incrs: POWERS_OF_2 } : {}), values: (_, splits) => splits.map((value) => kind.text(value)) },
      ],
      cursor: { move: withinChart, sync: { key: "history", setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { show: false }, bind: { dblclick: () => () => null } },
      hooks: {
        setSelect: [(plot) => this.select(plot)],
        setCursor: [(plot) => this.values(kind, chart, plot.cursor.idx ?? null)],
        draw: [(plot) => this.mark(plot)],
        ready: [(plot) => this.listen(plot)],
      },
    }, data, chart.place);
  }

  /** Of the points that are there, so that nothing jumps while others are asked for. */
  private shownSpan(): { from: number; to: number } {
    const { history } = this;
    return history ? { from: history.from, to: history.from + history.step * Math.max(1, history.points - 1) } : this.span();
  }

  private select(plot: uPlot): void {
    if (plot.select.width < 4) return;
    const [from, to] = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    const span = clampSpan(to - from);
    this.app.go({ span, end: Math.round((from + to + span) / 2) });
  }

  /** A drag keeps the pointer, and a click that is no drag looks at that time. */
  private listen(plot: uPlot): void {
    // Without the capture uPlot extends the selection to the chart's edge as soon as the pointer is over something
    // else: a panel above the history has grown and moved the chart, or the hand strayed.
    plot.over.addEventListener("pointerdown", (event) => {
      if (event.button === 0) plot.over.setPointerCapture(event.pointerId);
    });
    let begun = 0;
    plot.over.addEventListener("mousedown", (event) => { begun = event.clientX; });
    plot.over.addEventListener("click", (event) => {
      if (Math.abs(event.clientX - begun) > 3) return;
      const { left } = plot.over.getBoundingClientRect();
      this.app.lookAt(Math.round(plot.posToVal(event.clientX - left, "x")));
    });
  }

  /** Where the time cursor is. */
  private mark(plot: uPlot): void {
    const { at } = this.app.route;
    if (at === null) return;
    const x = plot.valToPos(at, "x", true);
    const { left, top, width, height } = plot.bbox;
    if (x < left || x > left + width) return;
    plot.ctx.save();
    plot.ctx.strokeStyle = this.app.colours.text;
    plot.ctx.lineWidth = 2;
    plot.ctx.beginPath();
    plot.ctx.moveTo(x, top);
    plot.ctx.lineTo(x, top + height);
    plot.ctx.stroke();
    plot.ctx.restore();
  }

  private width(): number {
    return Math.max(120, this.charts[0]!.element.clientWidth - 26 || 300);
  }

  private resize(): void {
    for (const { plot, place } of this.charts) {
      const width = Math.max(120, place.clientWidth);
      if (plot && plot.width !== width) plot.setSize({ width, height: HEIGHT });
    }
  }

  private move(share: number): void {
    const { span, end } = this.app.route;
    const to = this.span().to + Math.round(span * share);
    if (to >= Date.now() / 1000 - 1) return end === null ? undefined : this.app.go({ end: null }, true);
    this.app.go({ end: Math.max(span, to) }, true);
  }

  private zoom(factor: number): void {
    const { span, end } = this.app.route;
    const { from, to } = this.span();
    const wide = clampSpan(span * factor);
    if (this.isLive() || end === null) return this.app.go({ span: wide }, true);
    const middle = Math.min(Math.floor(Date.now() / 1000), Math.round((from + to + wide) / 2));
    this.app.go({ span: wide, end: middle }, true);
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => this.move(-0.25), ArrowRight: () => this.move(0.25), "+": () => this.zoom(0.5), "-": () => this.zoom(2),
      Home: () => this.app.go({ end: null, span: STANDARD_SPAN }, true),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  }
}
