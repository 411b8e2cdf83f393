// The VMs of one host as a table: sorted by any column, with the last two minutes in small charts.

import type { App } from "./app";
import { spark, strip } from "./chart";
import { colourOf, loadSeverity, severityOf } from "./colour";
import type { VmDetail } from "./details";
import { h, say, setAttribute } from "./dom";
import type { GridHost } from "./grid_model";
import { shown } from "./names";
import { UNKNOWN } from "./overview";
import { bytes, bytesPerSecond, isRunning, percent, rate, STATES } from "./units";

interface Entry {
  key: string;
  vm: VmDetail;
}

interface Column {
  id: string;
  title: string;
  hint: string;
  text: (vm: VmDetail, app: App) => string;
  /** What it is sorted by; unknown comes last either way. */
  value: (vm: VmDetail) => number | string | null;
  isText?: boolean;
}

export const delayPerVcpu = (vm: VmDetail): number | null =>
  vm.run_delay_percent === null || !vm.vcpus ? null : vm.run_delay_percent / vm.vcpus;

const ioOf = (vm: VmDetail): number | null =>
  vm.read_bytes_s === null && vm.write_bytes_s === null ? null : (vm.read_bytes_s ?? 0) + (vm.write_bytes_s ?? 0);
/** What is shut off or crashed uses none. */
const usedOf = (vm: VmDetail): number | null =>
  vm.state === 5 || vm.state === 6 ? null : (vm.rss_bytes ?? (vm.ram === null ? null : vm.ram * 1024));
const givenOf = (vm: VmDetail): number | null => {
  const kib = vm.maxram || vm.ram;
  return kib === null ? null : kib * 1024;
};

export const COLUMNS: readonly Column[] = [
  { id: "name", title: "Name", hint: "", isText: true, text: (vm) => shown(vm.name), value: (vm) => vm.name },
  { id: "state", title: "State", hint: "and its last two minutes", isText: true, text: (vm) => (vm.stale ? `${vm.state_name}, stale` : vm.state_name), value: (vm) => vm.state_name },
  { id: "cpu", title: "CPU", hint: "percent of its virtual CPUs", text: (vm) => percent(vm.cpu), value: (vm) => vm.cpu },
  { id: "wait", title: "Waits", hint: "time that each virtual CPU was ready but had no CPU", text: (vm) => percent(delayPerVcpu(vm)), value: delayPerVcpu },
  { id: "memory", title: "Memory", hint: "resident on the host, of what it was given; qemu itself takes some too", text: (vm, app) => `${bytes(usedOf(vm), app.units)} / ${bytes(givenOf(vm), app.units)}`, value: usedOf },
  { id: "io", title: "Disk", hint: "bytes read and written", text: (vm, app) => bytesPerSecond(ioOf(vm), app.units), value: ioOf },
  { id: "reads", title: "Reads/s", hint: "", text: (vm) => rate(vm.read_ops_s), value: (vm) => vm.read_ops_s },
  { id: "writes", title: "Writes/s", hint: "", text: (vm) => rate(vm.write_ops_s), value: (vm) => vm.write_ops_s },
  { id: "vcpus", title: "vCPUs", hint: "", text: (vm) => (vm.vcpus === null ? "—" : String(vm.vcpus)), value: (vm) => vm.vcpus },
];

const collator = new Intl.Collator("en", { numeric: true });

/** Sorted by a column's id, '-' in front for falling; by name where there is no such column. */
export function sortVms(entries: Entry[], column: string): Entry[] {
  const falls = column.startsWith("-");
  const by = COLUMNS.find(({ id }) => id === column.replace(/^-/, "")) ?? COLUMNS[0]!;
  return entries.sort((a, b) => {
    const [x, y] = [by.value(a.vm), by.value(b.vm)];
    if (x === null || y === null) return Number(x === null) - Number(y === null) || collator.compare(a.vm.name, b.vm.name);
    const order = typeof x === "string" || typeof y === "string" ? collator.compare(String(x), String(y)) : x - y;
    return (falls ? -order : order) || collator.compare(a.vm.name, b.vm.name);
  });
}

/** What the overview knows of a host's VMs. */
export function foreseen({ vms, sample }: GridHost): Entry[] {
  const tenths = (value: number): number | null => (value === UNKNOWN ? null : value / 10);
  return vms.map(({ key, name, uuid, givenKib }, at) => {
    const used = sample.used[at]!;
    const state = sample.state[at]!;
    return {
      key,
      vm: {
        name, uuid, state, state_name: STATES[state] ?? "no state", stale: sample.stale[at] === 1, cpu: tenths(sample.cpu[at]!), ram: givenKib, maxram: givenKib,
        vcpus: null, pid: null, rss_bytes: givenKib === null || Number.isNaN(used) ? null : used * givenKib * 1024, run_delay_percent: null,
        read_ops_s: null, write_ops_s: null, read_bytes_s: null, write_bytes_s: null, throttled_percent: null, memory_pressure_percent: null, io_pressure_percent: null,
      },
    };
  });
}

interface Row {
  element: HTMLTableRowElement;
  link: HTMLAnchorElement;
  cells: HTMLElement[];
  cpu: HTMLCanvasElement;
  wait: HTMLCanvasElement;
  states: HTMLCanvasElement;
  memory: HTMLElement;
  isSeen: boolean;
}

const SPARK_WIDTH = 64;
const SPARK_HEIGHT = 18;
const STRIP_WIDTH = 60;
const STRIP_HEIGHT = 8;

export class VmTable {
  private readonly heads = new Map<string, { cell: HTMLElement; button: HTMLButtonElement }>();
  private readonly bodyElement = h("tbody");
  readonly element: HTMLElement;
  private readonly rows = new Map<string, Row>();
  private host: GridHost | null = null;
  private readonly seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const row = [...this.rows.values()].find(({ element }) => element === entry.target);
      if (!row) continue;
      row.isSeen = entry.isIntersecting;
      if (row.isSeen) this.charts(row, (entry.target as HTMLElement).dataset.key ?? "");
    }
  }, { rootMargin: "100px" });

  constructor(private readonly app: App) {
    const head = h("tr");
    for (const { id, title, hint, isText } of COLUMNS) {
      const button = h("button", { type: "button", title: hint || null, onclick: () => this.sortBy(id) }, title);
      const cell = h("th", { scope: "col", class: isText ? null : "number" }, button);
      this.heads.set(id, { cell, button });
      head.append(cell);
    }
    this.element = h("div", { class: "scroll-x", tabindex: 0, role: "region", "aria-label": "Virtual machines" },
      h("table", { class: "vms" }, h("thead", {}, head), this.bodyElement));
  }

  close(): void {
    this.seen.disconnect();
  }

  update(host: GridHost): void {
    this.host = host;
    const { details, route } = this.app;
    const column = route.column || "name";
    for (const [id, { cell }] of this.heads) {
      const isThis = column.replace(/^-/, "") === id;
      setAttribute(cell, "aria-sort", isThis ? (column.startsWith("-") ? "descending" : "ascending") : null);
    }
    const newest = details.name === host.name ? details.newest : undefined;
    // Until the details come, the overview has the most of it.
    const entries = newest ? [...newest.vms].map(([key, { detail }]) => ({ key, vm: detail })) : foreseen(host);
    const kept = new Set<string>();
    let next: Element | null = this.bodyElement.firstElementChild;
    for (const { key, vm } of sortVms(entries, column)) {
      kept.add(key);
      const row = this.rows.get(key) ?? this.make(key);
      if (row.element === next) next = next.nextElementSibling;
      else this.bodyElement.insertBefore(row.element, next);
      this.fill(row, key, vm);
    }
    for (const [key, row] of this.rows) {
      if (kept.has(key)) continue;
      this.seen.unobserve(row.element);
      row.element.remove();
      this.rows.delete(key);
    }
  }

  private sortBy(id: string): void {
    const { column } = this.app.route;
    const isNumber = !COLUMNS.find((one) => one.id === id)?.isText;
    // Of figures the largest are wanted first.
    const first = isNumber ? `-${id}` : id;
    this.app.go({ column: column === first ? (isNumber ? id : `-${id}`) : first }, true);
    this.heads.get(id)?.button.focus();
  }

  private make(key: string): Row {
    const link = h("a");
    // What is drawn only once it is seen has its size before: a canvas without one is 300 by 150.
    const canvas = (width: number, height: number): HTMLCanvasElement => h("canvas", { "aria-hidden": "true", width, height });
    const [cpu, wait, states] = [canvas(SPARK_WIDTH, SPARK_HEIGHT), canvas(SPARK_WIDTH, SPARK_HEIGHT), canvas(STRIP_WIDTH, STRIP_HEIGHT)];
    const memory = h("span", { class: "bar", "aria-hidden": "true" }, h("i"));
    const cells: HTMLElement[] = [];
    const element = h("tr", { "data-key": key });
    COLUMNS.forEach(({ id, isText }) => {
      const words = id === "name" ? link : h("span");
      cells.push(words);
      const beside = id === "cpu" ? cpu : id === "wait" ? wait : id === "state" ? states : id === "memory" ? memory : null;
      const cell = id === "name" ? h("th", { scope: "row" }, link) : h("td", { class: isText ? null : "number" }, h("div", {}, words, beside));
      element.append(cell);
    });
    const row: Row = { element, link, cells, cpu, wait, states, memory, isSeen: false };
    this.rows.set(key, row);
    this.seen.observe(element);
    return row;
  }

  private fill(row: Row, key: string, vm: VmDetail): void {
    const runs = isRunning(vm.state);
    COLUMNS.forEach(({ id, text }, at) => {
      // What is shut off does nothing, and nothing is what its row says.
      const isIdle = !runs && !["name", "state", "memory", "vcpus"].includes(id);
      say(row.cells[at]!, isIdle ? "" : text(vm, this.app));
    });
    setAttribute(row.link, "href", this.app.link({ view: "vm", uuid: key, column: this.app.route.column }));
    row.element.className = `${runs ? "" : "off"} ${vm.stale ? "stale" : ""} ${vm.state === 6 ? "crashed" : ""}`.trim();
    const [used, given] = [usedOf(vm), givenOf(vm)];
    const share = used !== null && given ? Math.min(1, used / given) : 0;
    (row.memory.firstElementChild as HTMLElement).style.width = `${(share * 100).toFixed(1)}%`;
    if (row.isSeen) this.charts(row, key);
  }

  private charts(row: Row, key: string): void {
    if (!this.host) return;
    const { history } = this.host;
    const { colours, delayThreshold } = this.app;
    const last = (series: (number | null)[]): number | null => series[series.length - 1] ?? null;
    const cpu = history.cpu(key);
    const wait = history.delay(key);
    const severity = (value: number | null, of: (value: number) => number): number | null => (value === null ? null : of(value));
    spark(row.cpu, { values: cpu, colour: colourOf(colours, severity(last(cpu), loadSeverity)), filled: true }, SPARK_WIDTH, SPARK_HEIGHT, 100);
    spark(row.wait, { values: wait, colour: colourOf(colours, severity(last(wait), (value) => severityOf(delayThreshold, value))), filled: true }, SPARK_WIDTH, SPARK_HEIGHT, 25);
    strip(row.states, history.states(key), STRIP_WIDTH, STRIP_HEIGHT, colours);
    const words = new Set(history.states(key).filter((state): state is number => state !== null).map((state) => STATES[state] ?? "no state"));
    setAttribute(row.states, "title", [...words].join(", "));
  }
}
