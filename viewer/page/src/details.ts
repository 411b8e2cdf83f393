// The host that is open: as the viewer worked it out, and the frames themselves as the agent sent
// them, of which newer agents say more than this viewer's C++ knows.

import { shown } from "./names";

export interface VmDetail {
  name: string;
  uuid: string;
  state: number;
  state_name: string;
  stale: boolean;
  cpu: number | null;
  ram: number | null;
  maxram: number | null;
  vcpus: number | null;
  pid: number | null;
  rss_bytes: number | null;
  run_delay_percent: number | null;
  read_ops_s: number | null;
  write_ops_s: number | null;
  read_bytes_s: number | null;
  write_bytes_s: number | null;
  throttled_percent: number | null;
  memory_pressure_percent: number | null;
  io_pressure_percent: number | null;
}

export interface HostDetail {
  name: string;
  time: number;
  age_s: number;
  live: boolean;
  health: number | null;
  level: string;
  reasons: string[];
  cpu: number | null;
  ram: number | null;
  disk: number | null;
  cputemp: number | null;
  mbtemp: number | null;
  source: string | null;
  missing: Record<string, string>;
  vms: VmDetail[];
}

/** JSON that somebody else wrote: each member is asked for what it is. */
export type Loose = { readonly [name: string]: unknown };

export const isObject = (value: unknown): value is Loose =>
  typeof value === "object" && value !== null && !Array.isArray(value);
export const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
export const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export interface VmSample {
  detail: VmDetail;
  ext: Loose;
}

export interface DetailSample {
  time: number;
  host: HostDetail;
  /** `ext` of the host. */
  ext: Loose;
  /** By the key that the grid has for the VM. */
  vms: Map<string, VmSample>;
}

export const SAMPLES = 120;

/** Keys as in the grid: the uuid, and a number where it is there twice. */
function keyed<Item extends { uuid: string }>(items: readonly Item[]): Map<string, Item> {
  const out = new Map<string, Item>();
  for (const item of items) {
    let key = item.uuid;
    for (let times = 1; out.has(key); times++) key = `${item.uuid} ${times}`;
    out.set(key, item);
  }
  return out;
}

function extsOf(frames: readonly unknown[]): { host: Loose; vms: Map<string, Loose[]> } {
  let host: Loose = {};
  const vms = new Map<string, Loose[]>();
  for (const frame of frames) {
    if (!isObject(frame)) continue;
    // Only the first part says all of the host.
    if (isObject(frame.ext)) host = { ...host, ...frame.ext };
    for (const vm of listOf(frame.vms)) {
      if (!isObject(vm) || typeof vm.uuid !== "string") continue;
      const ext = isObject(vm.ext) ? vm.ext : {};
      vms.set(vm.uuid, [...(vms.get(vm.uuid) ?? []), ext]);
    }
  }
  return { host, vms };
}

export class Details {
  /** Whose details these are; empty where none are wanted. */
  name = "";
  /** False until the viewer answered. */
  isAnswered = false;
  /** The last two minutes, oldest first. */
  samples: DetailSample[] = [];

  get newest(): DetailSample | undefined {
    return this.samples[this.samples.length - 1];
  }

  open(name: string): void {
    if (name === this.name) return;
    this.name = name;
    this.isAnswered = false;
    this.samples = [];
  }

  clear(): void {
    this.isAnswered = false;
    this.samples = [];
  }

  take(message: Loose): void {
    if (message.name !== this.name) return;
    this.isAnswered = true;
    if (!isObject(message.host)) {
      this.samples = [];
      return;
    }
    const host = message.host as unknown as HostDetail;
    const raw = extsOf(listOf(message.frames));
    const vms = new Map<string, VmSample>();
    for (const [key, detail] of keyed(host.vms)) {
      const ext = raw.vms.get(detail.uuid)?.shift();
      vms.set(key, { detail, ext: ext ?? this.newest?.vms.get(key)?.ext ?? {} });
    }
    // A part of the sample that is there already.
    if (this.newest?.time === host.time) this.samples.pop();
    this.samples.push({ time: host.time, host, ext: raw.host, vms });
    if (this.samples.length > SAMPLES) this.samples.shift();
  }

  /** A figure of one VM over the last two minutes, a value a sample. */
  series(key: string, figure: (vm: VmSample) => number | null): (number | null)[] {
    const out: (number | null)[] = new Array<number | null>(SAMPLES - this.samples.length).fill(null);
    for (const sample of this.samples) {
      const vm = sample.vms.get(key);
      out.push(vm && !vm.detail.stale ? figure(vm) : null);
    }
    return out;
  }
}

/** "libvirt: no answer for 12 s", one line a source. */
export function missingLines(host: HostDetail): string[] {
  return Object.entries(host.missing).map(([source, reason]) => `${shown(source)}: ${shown(reason)}`);
}
