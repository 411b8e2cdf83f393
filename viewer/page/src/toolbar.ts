// The line above every view: totals, filters, pause, the connection, and what is wrong with it.

import type { App } from "./app";
import { inputText, inputTime, momentText } from "./clock";
import { h, say, setAttribute } from "./dom";
import { totalsOf } from "./grid_model";
import { shown } from "./names";
import { GRID_SORTS, type GridSort } from "./route";
import { counted, seconds } from "./units";

export interface Actions {
  pause(): void;
  theme(): void;
  units(): void;
  zoom(step: number): void;
  help(): void;
  /** Null is now. */
  lookAt(time: number | null): void;
}

type State = App & { isPaused: boolean; theme: string };

const SORT_WORDS: Record<GridSort, string> = {
  name: "by name", health: "worst first", cpu: "by CPU", ram: "by RAM", disk: "by disk", vms: "by VMs",
};

export class Toolbar {
  readonly search = h("input", { type: "search", placeholder: "Search", "aria-label": "Search hosts and VMs", spellcheck: "false", maxlength: 200 });
  private readonly grid = h("a", {}, "Grid");
  private readonly worst = h("a", {}, "Worst first");
  private readonly totals = h("div", { class: "totals", "aria-label": "Totals", role: "group" });
  private readonly counts = new Map(["bad", "warn", "good", "unknown", "silent"].map((level) =>
    [level, h("span", { class: `count ${level}`, hidden: true }, h("span"), h("span", { class: "word" }, ` ${level}`))]));
  private readonly vms = h("span", { class: "count vms" });
  private readonly unhealthy = h("button", { type: "button", "aria-pressed": "false", title: "Only hosts in bad health" }, "Unhealthy");
  private readonly sort = h("select", { "aria-label": "Order of hosts" }, ...GRID_SORTS.map((sort) => h("option", { value: sort }, SORT_WORDS[sort])));
  private readonly pauseButton = h("button", { type: "button", "aria-pressed": "false" }, "Pause");
  private readonly linkCount = h("span");
  private readonly linkWords = h("span");
  private readonly link = h("a", { class: "link" }, this.linkCount, this.linkWords);
  private readonly themeButton = h("button", { type: "button" });
  private readonly unitsButton = h("button", { type: "button" });
  private readonly timeButton = h("button", { type: "button", title: "Look at the grid as it was" }, "Past");
  private readonly momentWords = h("strong", { role: "status" });
  private readonly momentInput = h("input", { type: "datetime-local", step: 1, "aria-label": "Time that is looked at" });
  private readonly moment: HTMLElement;
  private readonly banner = h("div", { class: "banner", role: "status", hidden: true });
  readonly element: HTMLElement;

  constructor(private readonly app: State, actions: Actions) {
    this.totals.append(...this.counts.values(), this.vms);
    const zoomOut = h("button", { type: "button", "aria-label": "Smaller tiles", onclick: () => actions.zoom(-1) }, "−");
    const zoomIn = h("button", { type: "button", "aria-label": "Larger tiles", onclick: () => actions.zoom(1) }, "+");
    const help = h("button", { type: "button", "aria-label": "Keys and signs", onclick: () => actions.help() }, "?");
    const step = (name: string, sign: string, seconds: number): HTMLElement =>
      h("button", { type: "button", "aria-label": name, title: name, onclick: () => actions.lookAt((this.app.route.at ?? 0) + seconds) }, sign);
    this.moment = h("div", { class: "moment", hidden: true, role: "group", "aria-label": "Time that is looked at" },
      this.momentWords, h("div", { class: "group" }, step("10 minutes back", "«", -600), step("10 seconds back", "‹", -10), this.momentInput,
        step("10 seconds forward", "›", 10), step("10 minutes forward", "»", 600)),
      h("button", { type: "button", class: "primary", onclick: () => actions.lookAt(null) }, "Back to now"));
    this.element = h("header", { class: "bar-top" },
      h("div", { class: "row" },
        h("a", { class: "brand", href: "#/", "aria-label": "virtpulse, the grid" }, h("img", { src: "/icon.svg", alt: "", width: 22, height: 22 }), "virtpulse"),
        h("nav", { "aria-label": "Views" }, this.grid, this.worst),
        this.totals, this.search, this.unhealthy, this.sort,
        h("div", { class: "group" }, zoomOut, zoomIn), h("div", { class: "group" }, this.timeButton, this.pauseButton),
        h("div", { class: "group" }, this.unitsButton, this.themeButton, help), this.link),
      this.moment, this.banner);
    this.timeButton.addEventListener("click", () => actions.lookAt(this.app.route.at === null ? Date.now() / 1000 - 60 : null));
    this.momentInput.addEventListener("change", () => {
      const time = inputTime(this.momentInput.value);
      if (time !== null) actions.lookAt(time);
    });
    this.search.addEventListener("input", () => this.app.go({ search: this.search.value }, true));
    this.unhealthy.addEventListener("click", () => this.app.go({ unhealthy: !this.app.route.unhealthy }, true));
    this.sort.addEventListener("change", () => this.app.go({ sort: this.sort.value as GridSort }, true));
    this.pauseButton.addEventListener("click", () => actions.pause());
    this.themeButton.addEventListener("click", () => actions.theme());
    this.unitsButton.addEventListener("click", () => actions.units());
  }

  update(): void {
    const { app } = this;
    const { route } = app;
    setAttribute(this.grid, "href", app.link({ view: "grid", host: "", uuid: "" }));
    setAttribute(this.worst, "href", app.link({ view: "worst", host: "", uuid: "" }));
    setAttribute(this.grid, "aria-current", route.view === "grid" ? "page" : null);
    setAttribute(this.worst, "aria-current", route.view === "worst" ? "page" : null);
    const totals = totalsOf(app.model.hosts.values());
    for (const [level, element] of this.counts) {
      const count = totals[level as "bad"];
      element.hidden = count === 0;
      say(element.firstElementChild!, String(count));
    }
    this.totals.classList.toggle("is-long", totals.hosts >= 100);
    this.vms.title = `${counted(totals.hosts, "host")}; of ${counted(totals.vms, "VM")} ${totals.running} run`;
    say(this.vms, `${counted(totals.hosts, "host")}, ${totals.running}/${counted(totals.vms, "VM")}`);
    if (document.activeElement !== this.search && this.search.value !== route.search) this.search.value = route.search;
    setAttribute(this.unhealthy, "aria-pressed", String(route.unhealthy));
    if (this.sort.value !== route.sort) this.sort.value = route.sort;
    setAttribute(this.pauseButton, "aria-pressed", String(app.isPaused));
    say(this.pauseButton, app.isPaused ? "Go on" : "Pause");
    this.pauseButton.disabled = route.at !== null;
    setAttribute(this.timeButton, "aria-pressed", String(route.at !== null));
    this.showMoment();
    say(this.themeButton, app.theme === "auto" ? "Auto" : app.theme === "dark" ? "Dark" : "Light");
    setAttribute(this.themeButton, "aria-label", `Theme: ${app.theme}`);
    say(this.unitsButton, app.units === "iec" ? "KiB" : "kB");
    setAttribute(this.unitsButton, "aria-label", app.units === "iec" ? "Units of 1024 (KiB)" : "Units of 1000 (kB)");
    this.connection();
    this.warn();
  }

  /** Nobody is to take the past for now. */
  private showMoment(): void {
    const { moment, route } = this.app;
    const { at } = route;
    this.moment.hidden = at === null;
    document.body.classList.toggle("is-past", at !== null);
    document.body.classList.toggle("is-loading", moment.state === "loading");
    if (at === null) return;
    const ago = seconds(Date.now() / 1000 - at);
    say(this.momentWords, moment.state === "loading" ? `Loading ${momentText(at)} …` : moment.state === "failed" ? `Nothing of ${momentText(at)}: ${shown(moment.reason)}` : `You look at ${momentText(at)}, ${ago} ago`);
    if (document.activeElement !== this.momentInput) this.momentInput.value = inputText(at);
  }

  private connection(): void {
    const { collectors } = this.app;
    // What was true when the viewer was heard of last may be so no more.
    const isOld = this.app.stream.kind === "lost";
    setAttribute(this.link, "href", this.app.link({ dialog: true }));
    const all = collectors?.length ?? 0;
    const standing = collectors?.filter(({ state }) => state === "connected").length ?? 0;
    const noun = all === 1 ? "collector" : "collectors";
    say(this.linkCount, all === 0 ? "" : `${isOld ? "?" : standing}/${all} `);
    say(this.linkWords, collectors === null ? "Collectors" : all === 0 ? "No collector" : noun);
    setAttribute(this.link, "aria-label", collectors === null || all === 0 ? null : `${isOld ? "Not known how many" : standing} of ${counted(all, "collector")} connected`);
    this.linkWords.className = all === 0 ? "" : "roomy";
    this.link.className = `link ${collectors === null || isOld ? "" : standing === all && all > 0 ? "good" : standing > 0 ? "warn" : "bad"}`;
  }

  /** The one thing that a person has to know before believing the picture. */
  private warn(): void {
    const { app } = this;
    let [kind, text] = ["", ""];
    if (app.stream.kind === "lost" && app.hasData) {
      [kind, text] = ["lost", `The picture is ${seconds((Date.now() - app.stream.since) / 1000)} old: ${app.stream.reason}`];
    } else if (app.isPaused) {
      [kind, text] = ["paused", `Paused at ${new Date(app.model.time * 1000).toLocaleTimeString("en-GB")}. Press p to go on.`];
    } else if (app.hasData && app.collectors && app.collectors.length > 0) {
      const lost = app.collectors.filter(({ state }) => state !== "connected");
      if (lost.length === app.collectors.length) {
        const first = lost[0]!;
        [kind, text] = ["lost", `No collector is connected. ${shown(first.address)}: ${shown(first.reason ?? first.state)}`];
      } else if (lost.length > 0) {
        [kind, text] = ["warn", `${counted(lost.length, "collector")} not connected: ${lost.slice(0, 3).map(({ address, reason, state }) => `${shown(address)} (${shown(reason ?? state)})`).join(", ")}`];
      }
    }
    this.banner.hidden = text === "";
    this.banner.className = `banner ${kind}`;
    say(this.banner, text);
    document.body.classList.toggle("is-old", kind === "lost");
  }
}
