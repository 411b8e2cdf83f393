// Puts the page together: what comes from the viewer goes to the model, what the address says
// decides the view, and each new second the view is brought up to date.

import type { App, CollectorState, FindingEntry, View } from "./app";
import { PALETTES, type Threshold } from "./colour";
import { Details, type Loose } from "./details";
import { CollectorsDialog, helpDialog } from "./dialogs";
import { thresholdsOf } from "./draw_tile";
import { GridModel } from "./grid_model";
import { GridView } from "./grid_view";
import { HostView } from "./host_view";
import { formatRoute, HOME, parseRoute, type Route } from "./route";
import { Stream } from "./stream";
import { Toolbar } from "./toolbar";
import { VmView } from "./vm_view";
import { WorstView } from "./worst_view";

const ZOOMS = [1, 1.4, 2, 2.8, 4, 6];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

class Page implements App {
  readonly model = new GridModel();
  readonly details = new Details();
  route: Route = parseRoute(location.hash);
  colours = PALETTES.dark;
  thresholds = thresholdsOf({});
  delayThreshold: Threshold = [5, 20, 50];
  units = load("units") === "si" ? ("si" as const) : ("iec" as const);
  forgetAfter = 30;
  stream: App["stream"] = { kind: "connecting" };
  hasData = false;
  collectors: CollectorState[] | null = null;
  findings: App["findings"] = null;
  zoom = 1;
  isPaused = false;
  theme = load("theme") ?? "auto";

  private readonly connection = new Stream({
    onText: (message) => this.hear(message),
    onBinary: (buffer) => {
      this.connection.seen();
      if (this.isPaused) return;
      this.model.takeOverview(buffer);
      this.hasData = true;
      this.soon();
    },
    onState: (state) => {
      // Numbers of names are the connection's own.
      if (state.kind === "open") this.model.forgetNames();
      this.stream = state;
      this.soon();
    },
  });
  private readonly dialog = new CollectorsDialog(this, (command) => this.connection.ask(command));
  private readonly help = helpDialog();
  private readonly toolbar = new Toolbar(this, {
    pause: () => this.pause(),
    theme: () => this.nextTheme(),
    units: () => this.nextUnits(),
    zoom: (step) => this.zoomBy(step),
    help: () => this.help.showModal(),
  });
  private view: View | null = null;
  private viewName = "";
  private pending = 0;
  private isFirstHello = true;
  private isViewDue = false;

  start(): void {
    document.body.append(this.toolbar.element, this.dialog.element, this.help);
    window.addEventListener("hashchange", () => this.navigate());
    window.addEventListener("resize", () => this.soon());
    window.addEventListener("keydown", (event) => this.key(event));
    dark.addEventListener("change", () => this.paintTheme());
    this.paintTheme();
    this.navigate();
    this.connection.start();
    // Ages and attempts are counted also while nothing comes.
    window.setInterval(() => this.stream.kind === "lost" && this.soon(), 1000);
  }

  link(change: Partial<Route>): string {
    return formatRoute({ ...this.route, ...change });
  }

  go(change: Partial<Route>, replace = false): void {
    const to = this.link(change);
    if (to === formatRoute(this.route)) return;
    if (replace) {
      history.replaceState(null, "", to);
      this.navigate();
    } else {
      location.hash = to;
    }
  }

  private hear(message: Loose & { type: string }): void {
    switch (message.type) {
      case "hello":
        this.hello(message);
        break;
      case "status":
        this.collectors = message.collectors as CollectorState[];
        break;
      case "roster":
        this.model.takeRoster(message.hosts as never);
        return; // the overview that needs it follows
      case "host":
        if (!this.isPaused) this.details.take(message);
        break;
      case "findings":
        if (!this.isPaused) this.findings = { worst: message.worst as FindingEntry[], more: Number(message.more) };
        break;
      case "answer":
        this.dialog.answered(message);
        break;
    }
    const isAround = message.type === "status" || message.type === "answer";
    this.soon(!isAround || this.model.hosts.size === 0);
  }

  private hello(message: Loose): void {
    const named = message.thresholds as Record<string, Threshold>;
    this.thresholds = thresholdsOf(named);
    this.delayThreshold = named["run delay"] ?? this.delayThreshold;
    this.forgetAfter = Number(message.forget_after_s) || this.forgetAfter;
    // The viewer was told --unhealthy; an address that says more than nothing says it itself.
    if (this.isFirstHello && message.unhealthy === true && formatRoute(this.route) === formatRoute(HOME)) {
      this.go({ unhealthy: true }, true);
    }
    this.isFirstHello = false;
  }

  /** Draws once for all that came since: everything, or only what is round the view. */
  private soon(isAll = true): void {
    this.isViewDue ||= isAll;
    if (this.pending) return;
    this.pending = window.requestAnimationFrame(() => {
      this.pending = 0;
      this.update();
    });
  }

  private update(): void {
    this.toolbar.update();
    this.dialog.update();
    if (this.isViewDue) this.view?.update();
    this.isViewDue = false;
  }

  private navigate(): void {
    this.route = parseRoute(location.hash);
    const { view, host, uuid } = this.route;
    const name = `${view} ${host} ${uuid}`;
    const wantsHost = view === "host" || view === "vm" ? host : "";
    this.details.open(wantsHost);
    this.connection.show({ host: wantsHost, findings: view === "worst" });
    if (name !== this.viewName) {
      const isFirst = this.viewName === "";
      this.viewName = name;
      this.view?.close?.();
      this.view?.element.remove();
      const views = { grid: GridView, worst: WorstView, host: HostView, vm: VmView };
      this.view = new views[view](this);
      this.toolbar.element.after(this.view.element);
      // Whoever goes by keyboard goes on from here.
      if (!isFirst) this.view.element.focus({ preventScroll: true });
    }
    this.isViewDue = true;
    this.update();
  }

  private pause(): void {
    this.isPaused = !this.isPaused;
    this.soon();
  }

  private zoomBy(step: number): void {
    const at = ZOOMS.indexOf(this.zoom) + step;
    this.zoom = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, at))]!;
    this.soon();
  }

  private nextTheme(): void {
    this.theme = this.theme === "auto" ? "dark" : this.theme === "dark" ? "light" : "auto";
    save("theme", this.theme);
    this.paintTheme();
  }

  private nextUnits(): void {
    this.units = this.units === "iec" ? "si" : "iec";
    save("units", this.units);
    this.soon();
  }

  private paintTheme(): void {
    const isDark = this.theme === "auto" ? dark.matches : this.theme === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    this.colours = PALETTES[isDark ? "dark" : "light"];
    this.soon();
  }

  private key(event: KeyboardEvent): void {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape" && event.target instanceof HTMLInputElement) event.target.blur();
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const actions: Record<string, () => void> = {
      g: () => this.go({ view: "grid", host: "", uuid: "" }),
      w: () => this.go({ view: "worst", host: "", uuid: "" }),
      c: () => this.go({ dialog: true }),
      u: () => this.go({ unhealthy: !this.route.unhealthy }, true),
      p: () => this.pause(),
      t: () => this.nextTheme(),
      b: () => this.nextUnits(),
      "/": () => this.toolbar.search.focus(),
      "?": () => this.help.showModal(),
      "+": () => this.zoomBy(1),
      "-": () => this.zoomBy(-1),
      Backspace: () => this.up(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  private up(): void {
    if (this.route.view === "vm") this.go({ view: "host", uuid: "" });
    else this.go({ view: "grid", host: "", uuid: "" });
  }
}

function load(name: string): string | null {
  try {
    return localStorage.getItem(`virtpulse-${name}`);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function save(name: string, value: string): void {
  try {
    localStorage.setItem(`virtpulse-${name}`, value);
  } catch {
    // then it is for this visit only
  }
}

new Page().start();
