// The grid as the page knows it: names from the roster, figures from the newest overview, and the
// last minutes of each.

import { decodeOverview, type HostSample } from "./overview";
import { HostHistory } from "./rings";
import type { GridSort } from "./route";

export interface VmName {
  name: string;
  uuid: string;
  /** The uuid, and more where a host has two of the same. */
  key: string;
  givenKib: number | null;
}

export interface GridHost {
  number: number;
  name: string;
  serial: number;
  vms: VmName[];
  keys: string[];
  sample: HostSample;
  history: HostHistory;
}

interface RosterHost {
  id: number;
  serial: number;
  name: string;
  vms: [string, string, number | null][];
}

interface Names {
  serial: number;
  name: string;
  vms: VmName[];
  keys: string[];
}

function namesOf(entry: RosterHost): Names {
  const seen = new Map<string, number>();
  const vms = entry.vms.map(([name, uuid, givenKib]) => {
    const times = seen.get(uuid) ?? 0;
    seen.set(uuid, times + 1);
    return { name, uuid, givenKib, key: times === 0 ? uuid : `${uuid} ${times}` };
  });
  return { serial: entry.serial, name: entry.name, vms, keys: vms.map((vm) => vm.key) };
}

export class GridModel {
  /** By name. */
  hosts = new Map<string, GridHost>();
  /** Each name's place among all, as people order names. */
  rank = new Map<string, number>();
  /** When the newest overview was made, seconds since the epoch. */
  time = 0;
  private names = new Map<number, Names>();

  /** The viewer numbers hosts anew for each of its runs. */
  forgetNames(): void {
    this.names.clear();
  }

  /** What comes from now on is of another time. */
  clear(): void {
    this.names.clear();
    this.hosts = new Map();
    this.time = 0;
  }

  takeRoster(entries: RosterHost[]): void {
    for (const entry of entries) this.names.set(entry.id, namesOf(entry));
  }

  takeOverview(buffer: ArrayBuffer): void {
    const overview = decodeOverview(buffer);
    // While the page was paused, or had no connection, nothing is known.
    const missed = this.time > 0 ? Math.round(overview.time - this.time) - 1 : 0;
    this.time = overview.time;
    const hosts = new Map<string, GridHost>();
    const names = new Map<number, Names>();
    for (const sample of overview.hosts) {
      const known = this.names.get(sample.number);
      // The roster always comes first; this holds even if it did not.
      if (!known || known.vms.length !== sample.state.length) continue;
      names.set(sample.number, known);
      const history = this.hosts.get(known.name)?.history ?? new HostHistory();
      history.skip(missed);
      history.take(sample, known.keys);
      hosts.set(known.name, { number: sample.number, ...known, sample, history });
    }
    this.hosts = hosts;
    this.names = names;
    const isSame = hosts.size === this.rank.size && [...hosts.keys()].every((name) => this.rank.has(name));
    if (!isSame) this.rank = ranked(hosts.keys());
  }
}

const collator = new Intl.Collator("en", { numeric: true });

/** Comparing names so is slow: once for each set of them, and not each second. */
export function ranked(names: Iterable<string>): Map<string, number> {
  return new Map([...names].sort(collator.compare).map((name, at) => [name, at]));
}

const UNHEALTHY = new Set(["warn", "bad"]);

/** Whether the host is to be looked at: in bad health, or silent. */
export const isUnhealthy = (host: GridHost): boolean => UNHEALTHY.has(host.sample.level) || !host.sample.live;

export interface Query {
  unhealthy: boolean;
  search: string;
  sort: GridSort;
}

/** A silent host may be down with all its VMs: it is at least as bad as the viewer says. */
export const rankOf = ({ sample }: GridHost, silentSeverity: number): number =>
  Math.max(sample.severity ?? -1, sample.live ? -1 : silentSeverity);

/** Each word has to be in the host's name, in its reasons, or in a VM's name or uuid. */
export function matches(host: GridHost, search: string): boolean {
  if (search === "") return true;
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return words.every((word) =>
    host.name.toLowerCase().includes(word) || host.sample.why.toLowerCase().includes(word) ||
    host.vms.some((vm) => vm.name.toLowerCase().includes(word) || vm.uuid.startsWith(word)));
}

const SORT_KEY: Record<Exclude<GridSort, "name">, (host: GridHost, silentSeverity: number) => number> = {
  health: rankOf,
  cpu: (host) => host.sample.figures.cpu ?? -1,
  ram: (host) => host.sample.figures.ram ?? -1,
  disk: (host) => host.sample.figures.disk ?? -1,
  vms: (host) => host.vms.length,
};

/** The hosts to show, in order: by name, or the largest first. */
export function select({ hosts, rank }: Pick<GridModel, "hosts" | "rank">, query: Query, silentSeverity: number): GridHost[] {
  const chosen = [...hosts.values()].filter(
    (host) => (!query.unhealthy || isUnhealthy(host)) && matches(host, query.search));
  const by = query.sort === "name" ? () => 0 : SORT_KEY[query.sort];
  return chosen.sort((a, b) => by(b, silentSeverity) - by(a, silentSeverity) || rank.get(a.name)! - rank.get(b.name)!);
}

export interface Totals {
  hosts: number;
  good: number;
  warn: number;
  bad: number;
  unknown: number;
  silent: number;
  vms: number;
  running: number;
}

export function totalsOf(hosts: Iterable<GridHost>): Totals {
  const totals: Totals = { hosts: 0, good: 0, warn: 0, bad: 0, unknown: 0, silent: 0, vms: 0, running: 0 };
  for (const { sample } of hosts) {
    totals.hosts++;
    totals[sample.level]++;
    if (!sample.live) totals.silent++;
    totals.vms += sample.state.length;
    for (const state of sample.state) if (state === 1 || state === 2) totals.running++;
  }
  return totals;
}
