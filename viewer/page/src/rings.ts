// The last minutes of every host and VM, kept in the page for its small charts. Fixed in size:
// 50 VMs on each of 1000 hosts are 24 MB.

import { FIGURES, UNKNOWN, type HostSample } from "./overview";

/** Seconds kept. */
export const SPAN = 120;

/** One row of numbers a second; the newest at `head - 1`. */
export class Ring {
  readonly data: Int16Array;
  head = 0;
  filled = 0;

  constructor(readonly columns: number) {
    this.data = new Int16Array(SPAN * columns).fill(UNKNOWN);
  }

  /** The row to be written for a new second. */
  next(): Int16Array {
    const row = this.data.subarray(this.head * this.columns, (this.head + 1) * this.columns);
    row.fill(UNKNOWN);
    this.head = (this.head + 1) % SPAN;
    this.filled = Math.min(SPAN, this.filled + 1);
    return row;
  }

  /** The last `count` values of a column, oldest first; null where nothing is known. */
  series(column: number, count = SPAN, scale = 0.1): (number | null)[] {
    const out: (number | null)[] = [];
    for (let back = count; back >= 1; back--) {
      const row = (this.head - back + 2 * SPAN) % SPAN;
      const value = back <= this.filled ? this.data[row * this.columns + column]! : UNKNOWN;
      out.push(value === UNKNOWN ? null : value * scale);
    }
    return out;
  }
}

/** Per VM: CPU, run delay, state. */
const VM_COLUMNS = 3;

export class HostHistory {
  private host = new Ring(FIGURES.length);
  private vms = new Ring(0);
  private keys: readonly string[] = [];
  private at = new Map<string, number>();

  /** `keys` name the VMs of the sample, in its order. A host whose frames stopped adds nothing known. */
  take(sample: HostSample, keys: readonly string[]): void {
    const row = this.host.next();
    if (sample.live) FIGURES.forEach((figure, at) => (row[at] = tenths(sample.figures[figure])));
    if (keys !== this.keys) this.rename(keys);
    const vmRow = this.vms.next();
    for (let vm = 0; vm < keys.length; vm++) {
      const known = sample.live && sample.stale[vm] === 0;
      vmRow[vm * VM_COLUMNS] = known ? sample.cpu[vm]! : UNKNOWN;
      vmRow[vm * VM_COLUMNS + 1] = known ? sample.delay[vm]! : UNKNOWN;
      vmRow[vm * VM_COLUMNS + 2] = known ? sample.state[vm]! : UNKNOWN;
    }
  }

  /** Seconds of which nothing is known. */
  skip(seconds: number): void {
    for (let left = Math.min(SPAN, seconds); left > 0; left--) {
      this.host.next();
      this.vms.next();
    }
  }

  figure(which: number): (number | null)[] {
    return this.host.series(which);
  }
  cpu(key: string): (number | null)[] {
    return this.column(key, 0, 0.1);
  }
  delay(key: string): (number | null)[] {
    return this.column(key, 1, 0.1);
  }
  states(key: string): (number | null)[] {
    return this.column(key, 2, 1);
  }

  private column(key: string, which: number, scale: number): (number | null)[] {
    const vm = this.at.get(key);
    return vm === undefined ? [] : this.vms.series(vm * VM_COLUMNS + which, SPAN, scale);
  }

  /** VMs came or went: the columns of those that stay move to their new places. */
  private rename(keys: readonly string[]): void {
    const old = this.vms;
    const fresh = new Ring(keys.length * VM_COLUMNS);
    fresh.head = old.head;
    fresh.filled = old.filled;
    keys.forEach((key, to) => {
      const from = this.at.get(key);
      if (from === undefined) return;
      for (let row = 0; row < SPAN; row++) {
        for (let part = 0; part < VM_COLUMNS; part++) {
          fresh.data[row * fresh.columns + to * VM_COLUMNS + part] =
            old.data[row * old.columns + from * VM_COLUMNS + part]!;
        }
      }
    });
    this.vms = fresh;
    this.keys = keys;
    this.at = new Map(keys.map((key, at) => [key, at]));
  }
}

const tenths = (value: number | null): number => (value === null ? UNKNOWN : Math.round(value * 10));
