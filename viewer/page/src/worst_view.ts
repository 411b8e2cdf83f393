// What is wrong now, grid-wide, in words; each line leads to where it shows.

import type { App, FindingEntry, View } from "./app";
import { h, say, setAttribute } from "./dom";
import { shown } from "./names";
import { counted } from "./units";

interface Row {
  element: HTMLLIElement;
  link: HTMLAnchorElement;
  who: HTMLElement;
  text: HTMLElement;
  mark: HTMLElement;
}

export class WorstView implements View {
  private readonly list = h("ol", { class: "findings" });
  private readonly summary = h("p", { class: "summary", role: "status" });
  readonly element = h("main", { class: "page", id: "view", tabindex: -1 },
    h("h1", {}, "Worst first"), this.summary, this.list);
  private readonly rows = new Map<string, Row>();

  constructor(private readonly app: App) {}

  update(): void {
    const { findings, route } = this.app;
    if (!findings) {
      say(this.summary, "Loading …");
      return;
    }
    const wanted = route.search.toLowerCase();
    const chosen = findings.worst.filter(({ host, vm, text }) => `${host} ${vm} ${text}`.toLowerCase().includes(wanted));
    const more = findings.more > 0 ? `, and ${findings.more} lesser ones` : "";
    say(this.summary, chosen.length === 0 ? (wanted === "" ? "Nothing is wrong." : "Nothing that is wrong has this in it.")
      : `${counted(chosen.length, "finding")}${more}.`);
    const kept = new Set<string>();
    chosen.forEach((finding, at) => {
      // The same finding with other figures and culprits stays the same line.
      const key = `${finding.host}\n${finding.uuid}\n${finding.text.replace(/[,:].*/s, "").replace(/\d+/g, "#")}`;
      if (kept.has(key)) return;
      kept.add(key);
      const row = this.rows.get(key) ?? this.make(key);
      this.fill(row, finding);
      if (this.list.children[at] !== row.element) this.list.insertBefore(row.element, this.list.children[at] ?? null);
    });
    for (const [key, row] of this.rows) {
      if (kept.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
  }

  private make(key: string): Row {
    const mark = h("span", { class: "level" });
    const who = h("strong");
    const text = h("span");
    const link = h("a", {}, mark, who, " ", text);
    const row = { element: h("li", {}, link), link, who, text, mark };
    this.rows.set(key, row);
    return row;
  }

  private fill(row: Row, finding: FindingEntry): void {
    const isVm = finding.uuid !== "" || finding.vm !== "";
    const host = shown(finding.host);
    say(row.who, isVm ? `${shown(finding.vm)} on ${host}` : host);
    say(row.text, shown(finding.text));
    say(row.mark, finding.level);
    row.mark.className = `level ${finding.level === "bad" ? "bad" : "warn"}`;
    setAttribute(row.link, "href", this.app.link(isVm
      ? { view: "vm", host: finding.host, uuid: finding.uuid } : { view: "host", host: finding.host }));
  }
}
