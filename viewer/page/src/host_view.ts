// One host: its picture, its figures over the last two minutes, what is missing, and its VMs as a
// table that can be sorted.

import type { App, View } from "./app";
import { colourOf, severityOf } from "./colour";
import { healthWords, vmLines } from "./describe";
import { missingLines } from "./details";
import { h, say, sized } from "./dom";
import { TilePainter } from "./draw_tile";
import { ExtraPanels } from "./extra_panels";
import { HistoryPanel, percentTick, unknownWords } from "./history_panel";
import { shown } from "./names";
import { FIGURES, type Figure } from "./overview";
import { drawPanel, panel } from "./panel";
import { FIGURE_LABELS, Packings, placedVms } from "./tile_parts";
import { hideTip, showTip } from "./tooltip";
import { counted, degrees, percent, seconds } from "./units";
import { VmTable } from "./vm_table";

const packings = new Packings();
/** Figures that share a chart, and what its legend calls them. */
const CHARTS: readonly (readonly [title: string, figures: readonly Figure[], legends: readonly string[]])[] = [
  ["CPU", ["cpu"], ["CPU"]], ["RAM", ["ram"], ["RAM"]], ["Disk, busiest", ["disk"], ["disk"]],
  ["Temperatures", ["cputemp", "mbtemp"], ["CPU", "board"]],
];

export class HostView implements View {
  private readonly title = h("h1");
  private readonly level = h("span", { class: "level" });
  private readonly words = h("p", { class: "summary", role: "status" });
  private readonly facts = h("p", { class: "facts" });
  private readonly missing = h("ul", { class: "missing", "aria-label": "Missing figures" });
  private readonly picture = h("canvas", { class: "picture", role: "img" });
  private readonly charts = CHARTS.map(([title, figures, legends]) => ({ figures, panel: panel(title, legends) }));
  private readonly table: VmTable;
  private readonly extra: ExtraPanels;
  private readonly history: HistoryPanel;
  private readonly body: HTMLElement;
  private readonly gone = h("p", { class: "state nothing" });
  readonly element: HTMLElement;

  constructor(private readonly app: App) {
    this.table = new VmTable(app);
    this.extra = new ExtraPanels(app, "host");
    this.history = new HistoryPanel(app, [
      { title: "CPU, RAM and the busiest disk", top: 100, text: percentTick, lines: [
        { metric: "cpu_percent", label: "CPU" }, { metric: "ram_percent", label: "RAM" }, { metric: "disk_percent", label: "disk" }] },
      { title: "Temperatures", top: 100, text: degrees, lines: [
        { metric: "cputemp_celsius", label: "CPU" }, { metric: "mbtemp_celsius", label: "board" }] },
    ]);
    this.body = h("div", { class: "host" },
      h("div", { class: "top" },
        h("div", { class: "about" }, this.facts, this.missing, this.picture),
        h("div", { class: "charts" }, ...this.charts.map(({ panel: { element } }) => element))),
      h("h2", {}, "Virtual machines"), this.table.element, this.extra.element);
    this.element = h("main", { class: "page", id: "view", tabindex: -1 },
      h("nav", { class: "crumbs", "aria-label": "Where this is" }, h("a", { href: app.link({ view: "grid", host: "", uuid: "" }) }, "Grid")),
      h("header", { class: "title" }, this.title, this.level), this.words, this.gone, this.body, this.history.element);
    this.picture.addEventListener("pointermove", (event) => this.point(event));
    this.picture.addEventListener("pointerleave", hideTip);
    this.picture.addEventListener("click", (event) => this.click(event));
  }

  update(): void {
    const { model, route, details, colours } = this.app;
    const host = model.hosts.get(route.host);
    say(this.title, shown(route.host));
    this.gone.hidden = !!host;
    this.body.hidden = !host;
    this.level.hidden = !host;
    if (!host) {
      say(this.words, "");
      this.history.update(); // of a host that went there may be some
      say(this.gone, unknownWords(this.app, "host", "This host is not known: no frame of it came in the last 30 seconds."));
      return;
    }
    const { sample } = host;
    say(this.level, sample.live ? sample.level : "silent");
    this.level.className = `level ${sample.live ? sample.level : "silent"}`;
    say(this.words, healthWords(host));
    const detail = details.name === host.name ? details.newest : undefined;
    const cpus = detail?.ext.cpus;
    const source = detail?.host.source === "ebpf" ? "figures from eBPF" : detail?.host.source === "proc" ? "figures from /proc" : "standard frames";
    say(this.facts, [
      counted(host.vms.length, "VM"), typeof cpus === "number" ? counted(cpus, "CPU") : "",
      detail ? source : "", `last frame ${seconds(sample.age)} ${this.app.route.at === null ? "ago" : "before"}`, sample.complete ? "" : "a part of the sample is still to come",
    ].filter((part) => part !== "").join(" · "));
    const lines = detail ? missingLines(detail.host) : [];
    this.missing.replaceChildren(...lines.map((line) => h("li", {}, line)));
    this.missing.hidden = lines.length === 0;
    for (const { figures, panel: part } of this.charts) {
      const values = figures.map((figure) => sample.figures[figure]);
      const series = figures.map((figure) => host.history.figure(FIGURES.indexOf(figure)));
      const isTemperature = figures.length > 1;
      // A sensor that is not there needs no chart.
      part.element.hidden = isTemperature && values.every((value) => value === null) && series.flat().every((one) => one === null);
      if (part.element.hidden) continue;
      values.forEach((value, at) => say(part.values[at]!, isTemperature ? degrees(value) : percent(value)));
      const [value, figure] = [values[0]!, figures[0]!];
      const colour = colourOf(colours, value === null ? null : severityOf(this.app.thresholds[figure], value));
      drawPanel(part, series, { format: (one) => (isTemperature ? `${one.toFixed(0)} °C` : `${one.toFixed(0)} %`), top: 100 }, colours,
        isTemperature ? undefined : colour);
    }
    this.draw();
    this.table.update(host);
    this.extra.update();
    this.history.update();
  }

  resize(): void {
    this.update();
  }

  close(): void {
    hideTip();
    this.table.close();
    this.history.close();
  }

  private size(): { width: number; height: number } {
    const width = Math.min(430, this.element.clientWidth - 32);
    return { width, height: Math.round(width / 1.3) };
  }

  private draw(): void {
    const host = this.app.model.hosts.get(this.app.route.host);
    if (!host) return;
    const { width, height } = this.size();
    const paint = sized(this.picture, width, height);
    this.picture.setAttribute("aria-label", `Picture of ${shown(host.name)}: ${FIGURES.map((figure) => FIGURE_LABELS[figure]).join(", ")} as levels, ${counted(host.vms.length, "VM")} as circles; the table below has the same`);
    new TilePainter(paint, this.app.colours, this.app.thresholds, packings).tile(host, { x: 0, y: 0, width, height });
  }

  private hit(event: MouseEvent): number {
    const host = this.app.model.hosts.get(this.app.route.host);
    if (!host) return -1;
    const { width, height } = this.size();
    return placedVms(host, width, height, packings)
      .find(({ x, y, r }) => (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2 <= r ** 2)?.vm ?? -1;
  }

  private point(event: PointerEvent): void {
    const vm = this.hit(event);
    const host = this.app.model.hosts.get(this.app.route.host);
    this.picture.style.cursor = vm >= 0 ? "pointer" : "";
    if (host && vm >= 0) showTip(vmLines(host, vm, this.app), event.clientX, event.clientY);
    else hideTip();
  }

  private click(event: MouseEvent): void {
    const vm = this.hit(event);
    const host = this.app.model.hosts.get(this.app.route.host);
    if (host && vm >= 0) this.app.go({ view: "vm", uuid: host.vms[vm]!.key });
  }
}
