// What is shown, as the part of the address after '#': every state can be sent as a link.

import { clampSpan, STANDARD_SPAN } from "./history";

export interface Route {
  view: "grid" | "worst" | "host" | "vm";
  /** Of the host and VM views. */
  host: string;
  uuid: string;
  unhealthy: boolean;
  search: string;
  sort: GridSort;
  /** Column of the VM table, with '-' in front where it falls. */
  column: string;
  dialog: boolean;
  /** The point in time that every view is of, in seconds since the epoch; null is now. */
  at: number | null;
  /** Seconds of history that are shown, up to `end`, or where that is null up to `at` or now. */
  span: number;
  end: number | null;
}

export const GRID_SORTS = ["name", "health", "cpu", "ram", "disk", "vms"] as const;
export type GridSort = (typeof GRID_SORTS)[number];

export const HOME: Route = {
  view: "grid", host: "", uuid: "", unhealthy: false, search: "", sort: "name", column: "", dialog: false,
  at: null, span: STANDARD_SPAN, end: null,
};

const LATEST_S = 2 ** 33; // the year 2242

/** Whole seconds, or null where the text says none. */
function secondsOf(text: string | null): number | null {
  if (text === null || !/^\d{1,12}$/.test(text)) return null;
  return Math.min(LATEST_S, Number(text));
}

function decoded(part: string | undefined): string {
  try {
    return decodeURIComponent(part ?? "");
  } catch {
    return part ?? "";
  }
}

/** Reads "#/host/NAME?sort=…"; what it does not know is left out. */
export function parseRoute(hash: string): Route {
  const text = hash.replace(/^#/, "");
  const mark = text.indexOf("?");
  const path = (mark < 0 ? text : text.slice(0, mark)).split("/").filter((part) => part !== "");
  const query = new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1));
  const route: Route = { ...HOME };
  if (path[0] === "worst") route.view = "worst";
  if (path[0] === "host" && path[1] !== undefined) {
    route.view = path[2] === "vm" && path[3] !== undefined ? "vm" : "host";
    route.host = decoded(path[1]);
    route.uuid = route.view === "vm" ? decoded(path[3]) : "";
  }
  route.unhealthy = query.has("unhealthy");
  route.search = query.get("search") ?? "";
  route.sort = GRID_SORTS.find((sort) => sort === query.get("sort")) ?? "name";
  route.column = query.get("column") ?? "";
  route.dialog = query.has("collectors");
  route.at = secondsOf(query.get("at"));
  route.span = clampSpan(secondsOf(query.get("span")) ?? STANDARD_SPAN);
  route.end = secondsOf(query.get("end"));
  return route;
}

export function formatRoute(route: Route): string {
  let path = "#/";
  if (route.view === "worst") path += "worst";
  if (route.view === "host" || route.view === "vm") path += `host/${encodeURIComponent(route.host)}`;
  if (route.view === "vm") path += `/vm/${encodeURIComponent(route.uuid)}`;
  const query = new URLSearchParams();
  if (route.unhealthy) query.set("unhealthy", "");
  if (route.search !== "") query.set("search", route.search);
  if (route.sort !== "name") query.set("sort", route.sort);
  if (route.column !== "") query.set("column", route.column);
  if (route.dialog) query.set("collectors", "");
  if (route.at !== null) query.set("at", String(route.at));
  if (route.span !== STANDARD_SPAN) query.set("span", String(route.span));
  if (route.end !== null) query.set("end", String(route.end));
  const text = query.toString().replaceAll(/=(?=&|$)/g, "");
  return text === "" ? path : `${path}?${text}`;
}
