// What is said where there is no picture: each case has its own look and says what to do.

import type { App } from "./app";
import { momentText } from "./clock";
import { h } from "./dom";
import { sentence, shown } from "./names";
import { counted } from "./units";

function notice(kind: string, title: string, ...lines: (string | Node)[]): HTMLElement {
  return h("section", { class: `state ${kind}`, role: "status" },
    h("div", { class: "symbol", "aria-hidden": "true" }),
    h("h2", {}, title),
    ...lines.map((line) => h("p", {}, line)));
}

/** Why there is nothing to see; null where there is. `count` hosts pass the filters. */
export function emptyState(app: App, count: number): HTMLElement | null {
  if (count > 0) return null;
  const { route, collectors, moment } = app;
  if (moment.state === "failed") return notice("lost", `Nothing of ${momentText(moment.at)}`, sentence(moment.reason), h("a", { href: app.link({ at: null }) }, "Back to now"));
  if (!app.hasData) {
    return app.stream.kind === "lost"
      ? notice("lost", "No connection to the viewer", app.stream.reason)
      : notice("loading", "Loading", "The first picture comes within a second.");
  }
  if (moment.state === "loading") return notice("loading", "Loading", moment.at === null ? "The picture of now comes within a second." : `The grid as it was at ${momentText(moment.at)}.`);
  if (app.model.hosts.size === 0 && moment.state === "ready") {
    return notice("nothing", `No host at ${momentText(moment.at)}`, "The collectors have no frame from the 30 s before it.", h("a", { href: app.link({ at: null }) }, "Back to now"));
  }
  if (app.model.hosts.size > 0) {
    const hidden = counted(app.model.hosts.size, "host");
    const all = h("a", { href: app.link({ unhealthy: false, search: "" }) }, "Show all hosts");
    if (route.search !== "") return notice("nothing", `Nothing is called “${shown(route.search)}”`, `${hidden} not shown.`, all);
    return notice("well", "No host in bad health", `${hidden} not shown.`, all);
  }
  const standing = collectors?.find((collector) => collector.state === "connected");
  const dialog = h("a", { href: app.link({ dialog: true }) }, "Collectors");
  if (standing) {
    return notice("nothing", "No host yet", `The connection to ${shown(standing.address)} stands, but no frame came lately.`,
      "Start an agent on each hypervisor:", h("code", {}, "virtpulse-agent --collector ADDRESS"));
  }
  const reasons = (collectors ?? []).map((collector) => `${shown(collector.address)}: ${shown(collector.reason ?? collector.state)}`);
  return notice("lost", "No collector", ...reasons.slice(0, 4), dialog);
}
