// Puts the page together: what comes from the viewer goes to the model, what the address says
// decides the view, and each new second the view is brought up to date.

import type { App, CollectorState, FindingEntry, View } from "./app";
import { PALETTES, type Threshold } from "./colour";
import { Details, numberOf, textOf, type Loose } from "./details";
import { CollectorsDialog, helpDialog } from "./dialogs";
import { GridModel } from "./grid_model";
import { GridView } from "./grid_view";
import { HistoryClient } from "./history";
import { HostView } from "./host_view";
import { formatRoute, HOME, parseRoute, type Route } from "./route";
import { Stream } from "./stream";
import { thresholdsOf } from "./thresholds";
import { Toolbar } from "./toolbar";
import { VmView } from "./vm_view";
import { WorstView } from "./worst_view";

const MOMENT_PATIENCE_MS = 150;
const ZOOMS = [1, 1.4, 2, 2.8, 4, 6];
const dark = window.matchMedia("(prefers-color-scheme: dark)");

class Page implements App {
  readonly model = new GridModel();
  readonly details = new Details();
  route: Route = parseRoute(location.hash);
  private heardHash = location.hash;
  colours = PALETTES.dark;
  thresholds = thresholdsOf({});
  delayThreshold: Threshold = [5, 20, 50];
  units = load("units") === "si" ? ("si" as const) : ("iec" as const);
  forgetAfter = 30;
  silentSeverity = 0.9;
  stream: App["stream"] = { kind: "connecting" };
  hasData = false;
  collectors: CollectorState[] | null = null;
  findings: App["findings"] = null;
  zoom = 1;
  moment: App["moment"] = { state: "live" };
  isPaused = false;
  theme = load("theme") ?? "auto";

  private readonly connection = new Stream({
    onText: (message) => this.hear(message),
    onBinary: (buffer) => {
      this.connection.seen();
      if (this.isPaused || !this.isOfMoment()) return;
      this.model.takeOverview(buffer);
      this.takeDetails();
      this.hasData = true;
      this.soon();
    },
    onState: (state) => {
      // Numbers of names are the connection's own.
      if (state.kind === "open") this.model.forgetNames();
      else this.history.lose();
      this.stream = state;
      this.soon();
    },
  });
  readonly history = new HistoryClient((command) => this.connection.ask(command));
  private readonly dialog = new CollectorsDialog(this, (command) => this.connection.ask(command));
  private readonly help = helpDialog();
  private readonly toolbar = new Toolbar(this, {
    pause: () => this.pause(),
    theme: () => this.nextTheme(),
    units: () => this.nextUnits(),
    zoom: (step) => this.zoomBy(step),
    help: () => this.help.showModal(),
    lookAt: (time) => (time === null ? this.go({ at: null }, true) : this.lookAt(time)),
  });
  private view: View | null = null;
  private viewName = "";
  private pending = 0;
  private isFirstHello = true;
  private isViewDue = false;
  private momentTimer = 0;
  /** Details of a host whose overview is still to come. */
  private early: Loose | null = null;

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

  lookAt(time: number): void {
    const at = time < Date.now() / 1000 - 1 ? Math.max(1, Math.round(time)) : null;
    this.go({ at }, this.route.at !== null);
  }

  /** Steps from the time that is looked at, which at first is now. */
  private step(seconds: number): void {
    this.lookAt((this.route.at ?? Date.now() / 1000) + seconds);
  }

  /** Whether what comes is of the time that is asked for: the answer to another may be on its way. */
  private isOfMoment(): boolean {
    const { moment, route } = this;
    return moment.state === "live" ? route.at === null : moment.state === "ready" && moment.at === route.at;
  }

  private takeMoment(message: Loose): void {
    const at = numberOf(message.at);
    if (at !== this.route.at) return;
    if (at === null) this.moment = { state: "live" };
    else if (message.state === "failed") this.moment = { state: "failed", at, reason: textOf(message.reason) ?? "" };
    else if (message.state === "ready") this.moment = { state: "ready", at };
    else this.moment = { state: "loading", at };
    if (this.moment.state === "loading") return;
    // Two times have nothing to do with each other: no chart goes on from one to the other.
    this.model.clear();
    this.details.clear();
    this.early = null;
    this.findings = null;
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
      case "moment":
        this.takeMoment(message);
        break;
      case "history":
        this.history.take(message);
        return;
      case "host":
        if (this.isPaused || !this.isOfMoment()) break;
        this.early = message;
        if (!this.takeDetails()) return; // drawn with its overview, which follows
        break;
      case "findings":
        if (!this.isPaused && this.isOfMoment()) this.findings = { worst: message.worst as FindingEntry[], more: Number(message.more) };
        break;
      case "answer":
        this.dialog.answered(message);
        break;
    }
    const isAround = message.type === "status" || message.type === "answer";
    this.soon(!isAround || this.model.hosts.size === 0);
  }

  /** Takes the details that came in, unless the overview of their second is still to come: what a
   * view shows is of one second. The first ones wait for nothing. False where they wait. */
  private takeDetails(): boolean {
    if (!this.early) return false;
    if (this.details.isAnswered && (numberOf(this.early.second) ?? 0) > this.model.time) return false;
    this.details.take(this.early);
    this.early = null;
    return true;
  }

  private hello(message: Loose): void {
    const named = message.thresholds as Record<string, Threshold>;
    this.thresholds = thresholdsOf(named);
    this.delayThreshold = named["run delay"] ?? this.delayThreshold;
    this.silentSeverity = numberOf(message.silent_severity) ?? this.silentSeverity;
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
    this.heardHash = location.hash;
    this.route = parseRoute(this.heardHash);
    const { view, host, uuid } = this.route;
    const name = `${view} ${host} ${uuid}`;
    const wantsHost = view === "host" || view === "vm" ? host : "";
    this.details.open(wantsHost);
    this.askForMoment();
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

  /** Keys that are held down pass over many times: the one that they end at is asked for. */
  private askForMoment(): void {
    const { at } = this.route;
    const isThere = this.moment.state === "live" ? at === null : this.moment.at === at;
    if (isThere) return;
    this.isPaused = false;
    this.moment = { state: "loading", at };
    window.clearTimeout(this.momentTimer);
    this.momentTimer = window.setTimeout(() => this.connection.lookAt(at), at === null ? 0 : MOMENT_PATIENCE_MS);
  }

  private pause(): void {
    if (this.route.at !== null) return; // stands still already
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
    // Before the browser tells of a link that was just followed.
    if (location.hash !== this.heardHash) this.navigate();
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
      "[": () => this.step(-10),
      "]": () => this.step(10),
      "{": () => this.step(-600),
      "}": () => this.step(600),
      n: () => this.go({ at: null, end: null }, true),
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
