// What is shown, as the part of the address after '#': every state can be sent as a link.

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
}

export const GRID_SORTS = ["name", "health", "cpu", "ram", "disk", "vms"] as const;
export type GridSort = (typeof GRID_SORTS)[number];

export const HOME: Route = {
  view: "grid", host: "", uuid: "", unhealthy: false, search: "", sort: "name", column: "", dialog: false,
};

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
  const text = query.toString().replaceAll(/=(?=&|$)/g, "");
  return text === "" ? path : `${path}?${text}`;
}
