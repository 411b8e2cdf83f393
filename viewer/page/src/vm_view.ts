// One VM: its CPU running and waiting, its memory, its disks, over the last two minutes.

import type { App, View } from "./app";
import { strip } from "./chart";
import type { VmSample } from "./details";
import { h, say, setAttribute } from "./dom";
import { ExtraPanels } from "./extra_panels";
import { HistoryPanel, percentTick, unknownWords } from "./history_panel";
import { shown } from "./names";
import { drawPanel, panel, type Panel } from "./panel";
import { bytes, bytesPerSecond, counted, percent, rate } from "./units";
import { delayPerVcpu } from "./vm_table";
import { whySlow } from "./why_slow";

const last = (series: readonly (number | null)[]): number | null => series[series.length - 1] ?? null;

export class VmView implements View {
  private readonly title = h("h1");
  private readonly state = h("span", { class: "level" });
  private readonly hostLink = h("a");
  private readonly facts = h("p", { class: "facts" });
  private readonly why = h("p", { class: "summary" });
  private readonly timeline = h("canvas", { class: "timeline", role: "img", "aria-label": "State over the last two minutes" });
  private readonly cpu = panel("CPU, percent of its virtual CPUs", ["running", "waiting for a CPU"]);
  private readonly memory = panel("Memory", ["resident on the host", "now given", "can be given"]);
  private readonly bytes = panel("Disk, bytes a second", ["read", "written"]);
  private readonly operations = panel("Disk, operations a second", ["reads", "writes"]);
  private readonly extra: ExtraPanels;
  private readonly history: HistoryPanel;
  private vcpus = 0;
  private readonly gone = h("p", { class: "state nothing" });
  private readonly body: HTMLElement;
  readonly element: HTMLElement;

  constructor(private readonly app: App) {
    this.extra = new ExtraPanels(app, "vm");
    const rates = (value: number | null): string => bytesPerSecond(value, app.units);
    this.history = new HistoryPanel(app, [
      { title: "CPU, percent of its virtual CPUs", top: 100, text: percentTick, lines: [
        { metric: "cpu_percent", label: "running" },
        { metric: "run_delay_ns", label: "waiting for a CPU", factor: () => 1e-7 / (this.vcpus || 1) }] },
      { title: "Memory", top: 1 << 20, isBytes: true, text: (value) => bytes(value, app.units), lines: [
        { metric: "rss_bytes", label: "resident on the host" }, { metric: "ram_kib", label: "given", factor: () => 1024 }] },
      { title: "Disk, bytes a second", top: 1024, isBytes: true, text: rates, lines: [{ metric: "read_bytes", label: "read" }, { metric: "write_bytes", label: "written" }] },
      { title: "Disk, operations a second", top: 1, text: rate, lines: [{ metric: "read_ops", label: "reads" }, { metric: "write_ops", label: "writes" }] },
    ]);
    this.body = h("div", {}, this.why, this.facts, h("p", { class: "states" }, "State, 2 min", this.timeline),
      h("div", { class: "charts wide" }, this.cpu.element, this.memory.element, this.bytes.element, this.operations.element),
      this.extra.element);
    this.element = h("main", { class: "page", id: "view", tabindex: -1 },
      h("nav", { class: "crumbs", "aria-label": "Where this is" },
        h("a", { href: app.link({ view: "grid", host: "", uuid: "" }) }, "Grid"), h("span", { "aria-hidden": "true" }, "›"), this.hostLink),
      h("header", { class: "title" }, this.title, this.state), this.gone, this.body, this.history.element);
  }

  update(): void {
    const { route, details, model, colours, units } = this.app;
    const key = route.uuid;
    const host = model.hosts.get(route.host);
    say(this.hostLink, shown(route.host));
    setAttribute(this.hostLink, "href", this.app.link({ view: "host", uuid: "" }));
    const vm = details.name === route.host ? details.newest?.vms.get(key) : undefined;
    this.body.hidden = !vm;
    this.state.hidden = !vm;
    this.gone.hidden = !!vm;
    this.vcpus = vm?.detail.vcpus ?? this.vcpus;
    this.history.update();
    if (!vm) {
      const name = host?.vms.find((one) => one.key === key)?.name;
      say(this.title, name === undefined ? "Virtual machine" : shown(name));
      const isAnswered = details.isAnswered || (this.app.hasData && !host);
      say(this.gone, isAnswered ? unknownWords(this.app, "virtual machine", "This virtual machine is not known on this host any more.") : "Loading …");
      return;
    }
    const { detail } = vm;
    say(this.title, shown(detail.name));
    say(this.state, detail.stale ? `${detail.state_name}, stale` : detail.state_name);
    this.state.className = `level ${detail.state === 6 ? "bad" : detail.state === 1 ? "good" : "unknown"}`;
    say(this.facts, [
      detail.vcpus === null ? "" : counted(detail.vcpus, "vCPU"), detail.pid === null ? "" : `process ${detail.pid}`, `uuid ${shown(detail.uuid)}`,
    ].filter((part) => part !== "").join(" · "));
    const why = route.at === null ? whySlow(details.samples, key) : null;
    say(this.why, why ?? "");
    this.why.hidden = why === null;
    if (host) strip(this.timeline, host.history.states(key), Math.min(480, this.element.clientWidth - 140), 14, colours);

    const series = (figure: (vm: VmSample) => number | null): (number | null)[] => details.series(key, figure);
    const draw = (to: Panel, all: (number | null)[][], text: (value: number | null) => string, top: number, isBytes: boolean, stacked = false): void => {
      all.forEach((values, at) => say(to.values[at]!, text(last(values))));
      drawPanel(to, all, { format: text, top, stacked, isBytes }, colours);
    };
    draw(this.cpu, [host?.history.cpu(key) ?? [], host?.history.delay(key) ?? []], percentTick, 100, false, true);
    say(this.cpu.values[1]!, percent(delayPerVcpu(detail)));
    say(this.cpu.values[0]!, percent(detail.cpu));
    const kib = (value: number | null): number | null => (value === null ? null : value * 1024);
    draw(this.memory, [series((one) => one.detail.rss_bytes), series((one) => kib(one.detail.ram)), series((one) => kib(one.detail.maxram))],
      (value) => bytes(value, units), 0, true);
    draw(this.bytes, [series((one) => one.detail.read_bytes_s), series((one) => one.detail.write_bytes_s)],
      (value) => bytesPerSecond(value, units), 1024, true);
    draw(this.operations, [series((one) => one.detail.read_ops_s), series((one) => one.detail.write_ops_s)], rate, 10, false);
    this.extra.update();
  }

  resize(): void {
    this.update();
  }

  close(): void {
    this.history.close();
  }
}
