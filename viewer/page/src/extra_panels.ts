// Panels for what newer agents say: each is there where the frames have it.

import type { App } from "./app";
import { heat } from "./chart";
import { h } from "./dom";
import {
  BLOCK_SCALE, blockDevices, counterRates, countsOf, culpritsOf, endsOf, exitReasons, heatRows, matrixOf, quantilesOf, recent, steps, WAIT_SCALE, waitClasses,
  waitOf, type Quantiles, type Scale, type Share,
} from "./extras";
import { shown } from "./names";
import { nanoseconds, rate } from "./units";

const KVM_WORDS: Record<string, string> = {
  guest_ns: "in the guest", outside_ns: "outside it", halt_wait_ns: "asleep", halt_poll_ns: "polling for work", halt_poll_wasted_ns: "polling in vain",
};

const perSecond = (ns: number): string => `${nanoseconds(ns)}/s`;

function figure(title: string, ...children: (Node | null)[]): HTMLElement {
  return h("figure", {}, h("figcaption", {}, title), ...children);
}

/** Shares as bars with their numbers, the largest first. */
function bars(shares: readonly Share[], text: (rate: number) => string, most = 8): HTMLElement {
  const top = Math.max(1, ...shares.map((share) => share.rate));
  return h("table", { class: "shares" }, h("tbody", {}, ...shares.slice(0, most).map((share) => {
    const bar = h("i");
    bar.style.width = `${((100 * share.rate) / top).toFixed(1)}%`;
    return h("tr", {}, h("th", { scope: "row" }, shown(share.label)), h("td", { class: "wide" }, h("span", { class: "bar" }, bar)),
      h("td", { class: "number" }, text(share.rate)));
  })));
}

function quantileLine(name: string, { p50, p99, count }: Quantiles): string {
  return count === 0 ? `${name}: none in the last minute` : `${name}: half within ${nanoseconds(p50)}, 99 % within ${nanoseconds(p99)}, ${rate(count)} in all`;
}

export class ExtraPanels {
  readonly element = h("div", { class: "extra" });

  constructor(private readonly app: App, private readonly of: "host" | "vm") {}

  update(): void {
    const { details, route } = this.app;
    if (details.name !== route.host) return;
    const panels = this.of === "host" ? this.host() : this.vm(route.uuid);
    this.element.replaceChildren(...panels);
  }

  private host(): HTMLElement[] {
    const { culprits, victims } = matrixOf(this.app.details.samples);
    if (victims.length === 0) return [];
    const top = Math.max(...victims.flatMap(({ rates }) => rates.map((one) => one ?? 0)));
    const head = h("tr", {}, h("th", { scope: "col" }, "Who waits"), ...culprits.map((culprit) => h("th", { scope: "col" }, shown(culprit))));
    const rows = victims.map(({ key, name, rates }) => h("tr", {},
      h("th", { scope: "row" }, h("a", { href: this.app.link({ view: "vm", uuid: key }) }, shown(name))),
      ...rates.map((one) => {
        const cell = h("td", {}, one === null ? "" : perSecond(one));
        if (one !== null) cell.style.setProperty("--heat", `${Math.round(45 * Math.sqrt(one / top))}%`);
        return cell;
      })));
    return [h("h2", {}, "Who made whom wait for a CPU, in the last minute"),
      h("div", { class: "scroll-x whole", tabindex: 0, role: "region", "aria-label": "Who made whom wait" },
        h("table", { class: "matrix" }, h("thead", {}, head), h("tbody", {}, ...rows)))];
  }

  private vm(key: string): HTMLElement[] {
    const { samples } = this.app.details;
    const out: HTMLElement[] = [];
    const counts = recent(samples).map((sample) => countsOf(waitOf(sample, key)?.counts, WAIT_SCALE));
    if (counts[counts.length - 1]) {
      const first = counts.find((one) => one !== null) ?? null;
      out.push(this.heatPanel("Each wait for a CPU, by its length", steps(counts), WAIT_SCALE,
        quantileLine("Waits", quantilesOf(first, counts[counts.length - 1]!, WAIT_SCALE))));
    }
    const classes = waitClasses(samples, key);
    if (classes.length > 0) out.push(figure("What it waited for", bars(classes, perSecond)));
    const culprits = culpritsOf(samples, key);
    if (culprits.length > 0) out.push(figure("Who had the CPU meanwhile", bars(culprits, perSecond)));
    const roles = counterRates(samples, key, "role");
    if (roles.length > 0) {
      out.push(figure("CPU time, by what its threads are for", bars(roles.map((role) => ({ ...role, label: role.label.replace(/_ns$/, "") })), perSecond)));
    }
    for (const { device, read, write, columns, ahead } of blockDevices(samples, key)) {
      out.push(this.heatPanel(`Requests to ${shown(device)}, by their latency`, columns, BLOCK_SCALE, quantileLine("Reads", read), quantileLine("Writes", write)));
      if (ahead.length > 0) out.push(figure(`Whom ${shown(device)} served meanwhile`, bars(ahead, perSecond)));
    }
    const times = counterRates(samples, key, "kvm").filter(({ label }) => label.endsWith("_ns"));
    if (times.length > 0) {
      const words = times.map((time) => ({ ...time, label: KVM_WORDS[time.label] ?? time.label }));
      out.push(figure("Where the time of its virtual CPUs went", bars(words, perSecond)));
    }
    const exits = exitReasons(samples, key, "exits");
    if (exits.length > 0) out.push(figure("Exits from the guest, a second", bars(exits, rate, 12)));
    const outside = exitReasons(samples, key, "outside_ns");
    if (outside.length > 0) out.push(figure("Time outside the guest, by the exit's reason", bars(outside, perSecond, 12)));
    return out.length > 0 ? [h("h2", {}, "The last minute, from the kernel"), ...out] : [];
  }

  private heatPanel(title: string, columns: (number[] | null)[], scale: Scale, ...lines: string[]): HTMLElement {
    const { rows, lowest, highest } = heatRows(columns);
    const canvas = h("canvas", { class: "heat", role: "img", "aria-label": `${title}: ${lines.join("; ")}` });
    const ends = endsOf(scale);
    const scaleText = rows.length === 0 ? "" : `rows from ${nanoseconds(lowest === 0 ? 0 : ends[lowest - 1]!)} (below) to ${Number.isFinite(ends[highest]!) ? nanoseconds(ends[highest]!) : "more"} (above), each twice the one below; time from left to right`;
    const panel = figure(title, ...lines.map((line) => h("div", {}, line)), canvas, h("div", { class: "hint" }, scaleText));
    heat(canvas, rows, 380, Math.max(8, Math.min(140, rows.length * 12)), this.app.colours);
    return panel;
  }
}
