// The dialog for the collectors' addresses, and the one that explains the keys.

import type { App, CollectorState } from "./app";
import type { Loose } from "./details";
import { h, say } from "./dom";
import { shown } from "./names";
import { counted, seconds } from "./units";

interface Line {
  element: HTMLLIElement;
  state: HTMLElement;
  words: HTMLElement;
}

/** Whether the connection stands, for how long, or why not and when it is tried again. */
export function collectorWords({ state, reason, since_s, next_attempt_s, frames, bad_frames }: CollectorState): string {
  const bad = bad_frames > 0 ? `; ${counted(bad_frames, "message")} not understood` : "";
  if (state === "connected") return `connected for ${seconds(since_s)}, ${counted(frames, "frame")}${bad}`;
  if (state === "connecting") return reason ? `connecting; before: ${shown(reason)}` : "connecting …";
  return `${shown(reason ?? "no connection")}; next attempt in ${seconds((next_attempt_s ?? 0) + 1)}${bad}`;
}

export class CollectorsDialog {
  private readonly list = h("ul", { class: "collectors", "aria-live": "polite" });
  private readonly address = h("input", { id: "collector-address", name: "address", required: true, autocomplete: "off", spellcheck: "false", placeholder: "host or address", maxlength: 260 });
  private readonly port = h("input", { id: "collector-port", name: "port", type: "number", min: 1, max: 65535, value: "56000", required: true });
  private readonly answer = h("p", { class: "answer", role: "alert" });
  readonly element: HTMLDialogElement;
  private readonly lines = new Map<string, Line>();

  constructor(private readonly app: App, private readonly ask: (command: { connect: string } | { disconnect: string }) => boolean) {
    const form = h("form", { class: "add", onsubmit: (event: Event) => this.add(event) },
      h("label", { for: "collector-address" }, "Address"), this.address,
      h("label", { for: "collector-port" }, "Port"), this.port,
      h("button", { type: "submit", class: "primary" }, "Connect"));
    this.element = h("dialog", { class: "dialog", "aria-labelledby": "collectors-title", onclose: () => this.app.go({ dialog: false }) },
      h("header", {}, h("h2", { id: "collectors-title" }, "Collectors"),
        h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => this.element.close() }, "✕")),
      this.list, form, this.answer,
      h("p", { class: "hint" }, "The connections are the viewer's: every page that it serves sees them. Whether it speaks TLS to them is told where the viewer is started: ", h("code", {}, "--collector-ca"), "."));
  }

  /** As the route says. */
  update(): void {
    const { dialog } = this.app.route;
    if (dialog && !this.element.open) this.element.showModal();
    if (!dialog && this.element.open) this.element.close();
    if (!dialog) return;
    const collectors = this.app.collectors ?? [];
    const kept = new Set(collectors.map(({ address }) => address));
    for (const collector of collectors) {
      const line = this.lines.get(collector.address) ?? this.make(collector.address);
      line.element.className = collector.state;
      say(line.state, collector.state === "connected" ? "✓" : collector.state === "connecting" ? "…" : "✕");
      say(line.words, collectorWords(collector));
    }
    for (const [address, line] of this.lines) {
      if (kept.has(address)) continue;
      line.element.remove();
      this.lines.delete(address);
    }
  }

  answered(message: Loose): void {
    const address = shown(String(message.address));
    if (typeof message.error === "string") say(this.answer, shown(message.error));
    else say(this.answer, message.command === "connect" ? `${address} is being connected to.` : `${address} was removed.`);
  }

  private make(address: string): Line {
    const state = h("span", { class: "mark", "aria-hidden": "true" });
    const words = h("span", { class: "words" });
    const element = h("li", {}, state, h("div", {}, h("strong", {}, shown(address)), words),
      h("button", { type: "button", class: "quiet", "aria-label": `Remove ${shown(address)}`, onclick: () => this.send({ disconnect: address }) }, "Remove"));
    this.list.append(element);
    const line = { element, state, words };
    this.lines.set(address, line);
    return line;
  }

  private add(event: Event): void {
    event.preventDefault();
    const host = this.address.value.trim();
    const isBareV6 = host.split(":").length > 2 && !host.startsWith("[");
    this.send({ connect: `${isBareV6 ? `[${host}]` : host}:${this.port.value}` });
  }

  private send(command: { connect: string } | { disconnect: string }): void {
    if (!this.ask(command)) say(this.answer, "There is no connection to the viewer itself.");
  }
}

export const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ["g", "the grid"], ["w", "worst first"], ["c", "collectors"], ["/", "search"], ["u", "only unhealthy hosts, or all"],
  ["p", "pause, or go on"],
  ["[ ]", "10 s back or forward in time"], ["{ }", "10 min back or forward"], ["n", "back to now"], ["+ −", "larger or smaller tiles"], ["← ↑ → ↓", "from tile to tile"], ["Enter", "open"],
  ["Backspace", "one step up"], ["t", "dark, light, or as the system has it"], ["b", "KiB or kB"], ["?", "this help"],
];

export function helpDialog(): HTMLDialogElement {
  const element: HTMLDialogElement = h("dialog", { class: "dialog", "aria-labelledby": "help-title" },
    h("header", {}, h("h2", { id: "help-title" }, "Keys and signs"),
      h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => element.close() }, "✕")),
    h("dl", { class: "keys" }, ...KEYS.flatMap(([keys, meaning]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, meaning)])),
    h("h3", {}, "A tile"),
    h("p", {}, "The band has the colour of the host's health: a triangle is a warning, a cross is bad, a ring is silent or unknown. Left: temperatures of CPU and board. Right: CPU, RAM and the busiest disk. Higher is worse."),
    h("p", {}, "A circle is a VM. Its ring is the memory that it was given, next to the others on that host; the disc in it the memory in use; the colour its CPU load. Grey does not run: two bars are paused, a cross is crashed. An arc on the ring is the share of time that it waits for a CPU."));
  return element;
}
