// Panels for what newer agents say: each is there where the frames have it.

import type { App } from "./app";
import { heat } from "./chart";
import { cutVms, cutWords } from "./cut_frames";
import { h } from "./dom";
import {
  BLOCK_SCALE, blockDevices, counterRates, countsOf, culpritsOf, endsOf, exitReasons, heatRows, matrixOf, quantilesOf, recent, steps, WAIT_SCALE, waitClasses,
  waitOf, type Quantiles, type Scale, type Share,
} from "./extras";
import { shown } from "./names";
import { nanoseconds, percent, rate } from "./units";

const KVM_WORDS: Record<string, string> = {
  guest_ns: "in the guest", outside_ns: "outside it", halt_wait_ns: "asleep", halt_poll_ns: "polling for work", halt_poll_wasted_ns: "polling in vain",
};

const ROLE_WORDS: Record<string, string> = { vcpu_ns: "virtual CPUs", emulator_ns: "emulator", io_ns: "I/O threads", vhost_ns: "vhost threads" };

const AHEAD_WORDS: Record<string, string> = { host: "the host", nobody: "write-back of nobody's", others: "other VMs" };

const perSecond = (ns: number): string => `${nanoseconds(ns)}/s`;

/** ns a second of a VM with so many virtual CPUs, as the rest of the page has it: percent of these. */
const percentOf = (vcpus: number | null | undefined) => (ns: number): string => percent(ns / 1e7 / (vcpus || 1));

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
    const { details } = this.app;
    const { culprits, victims } = matrixOf(details.samples);
    const cut = this.app.route.at === null ? cutVms(details.newest) : null; // the past has none of it
    const notice = cut === null ? [] : [h("p", { class: "whole notice-line store" }, cut)];
    if (victims.length === 0) return notice;
    const top = Math.max(...victims.flatMap(({ rates }) => rates.map((one) => one ?? 0)));
    const head = h("tr", {}, h("th", { scope: "col" }, "Who waits"), ...culprits.map((culprit) => h("th", { scope: "col" }, shown(culprit))));
    const rows = victims.map(({ key, name, rates }) => h("tr", {},
      h("th", { scope: "row" }, h("a", { href: this.app.link({ view: "vm", uuid: key }) }, shown(name))),
      ...rates.map((one) => {
        const cell = h("td", {}, one === null ? "" : percentOf(details.newest?.vms.get(key)?.detail.vcpus)(one));
        if (one !== null) cell.style.setProperty("--heat", `${Math.round(45 * Math.sqrt(one / top))}%`);
        return cell;
      })));
    return [h("h2", {}, "Who made whom wait for a CPU, percent of the last minute"),
      h("div", { class: "scroll-x whole", tabindex: 0, role: "region", "aria-label": "Who made whom wait" },
        h("table", { class: "matrix" }, h("thead", {}, head), h("tbody", {}, ...rows))), ...notice];
  }

  private vm(key: string): HTMLElement[] {
    const { samples } = this.app.details;
    const out: HTMLElement[] = [];
    const newest = samples[samples.length - 1];
    const asPercent = percentOf(newest?.vms.get(key)?.detail.vcpus);
    const cut = this.app.route.at === null ? cutWords(newest, key) : null;
    if (cut !== null) out.push(h("p", { class: "whole notice-line store" }, cut));
    const counts = recent(samples).map((sample) => countsOf(waitOf(sample, key)?.counts, WAIT_SCALE));
    if (counts[counts.length - 1]) {
      const first = counts.find((one) => one !== null) ?? null;
      out.push(this.heatPanel("Each wait for a CPU, by its length", steps(counts), WAIT_SCALE,
        quantileLine("Waits", quantilesOf(first, counts[counts.length - 1]!, WAIT_SCALE))));
    }
    const classes = waitClasses(samples, key);
    if (classes.length > 0) out.push(figure("What it waited for", bars(classes, asPercent)));
    const culprits = culpritsOf(samples, key);
    if (culprits.length > 0) out.push(figure("Who had the CPU meanwhile", bars(culprits, asPercent)));
    const roles = counterRates(samples, key, "role");
    if (roles.length > 0) {
      out.push(figure("CPU time, by what its threads are for", bars(roles.map((role) => ({ ...role, label: ROLE_WORDS[role.label] ?? role.label })), asPercent)));
    }
    for (const { device, read, write, columns, ahead } of blockDevices(samples, key)) {
      out.push(this.heatPanel(`Requests to ${shown(device)}, by their latency`, columns, BLOCK_SCALE, quantileLine("Reads", read), quantileLine("Writes", write)));
      if (ahead.length > 0) out.push(figure(`Whom ${shown(device)} served meanwhile`, bars(ahead.map((one) => ({ ...one, label: AHEAD_WORDS[one.label] ?? one.label })), perSecond)));
    }
    const times = counterRates(samples, key, "kvm").filter(({ label }) => label.endsWith("_ns"));
    if (times.length > 0) {
      const words = times.map((time) => ({ ...time, label: KVM_WORDS[time.label] ?? time.label }));
      out.push(figure("Where the time of its virtual CPUs went", bars(words, asPercent)));
    }
    const exits = exitReasons(samples, key, "exits");
    if (exits.length > 0) out.push(figure("Exits from the guest, a second", bars(exits, rate, 12)));
    const outside = exitReasons(samples, key, "outside_ns");
    if (outside.length > 0) out.push(figure("Time outside the guest, by the exit's reason", bars(outside, asPercent, 12)));
    return out.length > 0 ? [h("h2", {}, "The last minute, from the kernel"), ...out] : [];
  }

  private heatPanel(title: string, columns: (number[] | null)[], scale: Scale, ...lines: string[]): HTMLElement {
    const { rows, lowest, highest } = heatRows(columns);
    const canvas = h("canvas", { class: "heat", role: "img", "aria-label": `${title}: ${lines.join("; ")}` });
    const ends = endsOf(scale);
    const scaleText = rows.length === 0 ? "" : `rows from ${nanoseconds(lowest === 0 ? 0 : ends[lowest - 1]!)} (below) to ${Number.isFinite(ends[highest]!) ? nanoseconds(ends[highest]!) : "more"} (above), each twice the one below; time from left to right`;
    const panel = figure(title, ...lines.map((line) => h("div", {}, line)), canvas, h("div", { class: "hint" }, scaleText));
    heat(canvas, rows, 380, Math.max(8, Math.min(140, rows.length * 12)), this.app.colours);
    canvas.style.width = "100%";
    return panel;
  }
}
