// Reads the binary overview; its layout is described in viewer/web/overview.h.

export const LEVELS = ["unknown", "good", "warn", "bad"] as const;
export type Level = (typeof LEVELS)[number];

/** The five figures of a host, in the order of the message. */
export const FIGURES = ["cpu", "ram", "disk", "cputemp", "mbtemp"] as const;
export type Figure = (typeof FIGURES)[number];

/** What an unknown number is inside typed arrays. */
export const UNKNOWN = -32768;

export interface HostSample {
  number: number;
  serial: number;
  level: Level;
  severity: number | null;
  /** 1 while its frames come, then less until it is forgotten. */
  presence: number;
  live: boolean;
  complete: boolean;
  missing: boolean;
  age: number;
  figures: Record<Figure, number | null>;
  why: string;
  /** One element a VM. `cpu` and `delay` in tenths of a percent or UNKNOWN; `used` 0 to 1 or NaN. */
  state: Uint8Array;
  stale: Uint8Array;
  used: Float32Array;
  cpu: Int16Array;
  delay: Int16Array;
}

export interface Overview {
  time: number;
  hosts: HostSample[];
}

const KIND = 1;
const VERSION = 1;
const HEADER_BYTES = 16;
const VM_BYTES = 7;
const text = new TextDecoder();

const tenths = (value: number): number | null => (value === UNKNOWN ? null : value / 10);

/** Throws where the bytes are no overview of the version that is known here. */
export function decodeOverview(buffer: ArrayBuffer): Overview {
  const view = new DataView(buffer);
  if (view.byteLength < HEADER_BYTES || view.getUint8(0) !== KIND || view.getUint8(1) !== VERSION) {
    throw new Error("the viewer speaks another version; reload the page");
  }
  const hosts: HostSample[] = [];
  const count = view.getUint32(4, true);
  let at = HEADER_BYTES;
  for (let index = 0; index < count; index++) {
    const flags = view.getUint8(at + 11);
    const severity = view.getUint8(at + 9);
    const figure = (which: number): number | null => tenths(view.getInt16(at + 14 + 2 * which, true));
    const vms = view.getUint16(at + 24, true);
    const whyBytes = view.getUint8(at + 26);
    const host: HostSample = {
      number: view.getUint32(at, true),
      serial: view.getUint32(at + 4, true),
      level: LEVELS[view.getUint8(at + 8)] ?? "unknown",
      severity: severity === 255 ? null : severity / 200,
      presence: view.getUint8(at + 10) / 200,
      live: (flags & 1) !== 0,
      complete: (flags & 2) !== 0,
      missing: (flags & 4) !== 0,
      age: view.getUint16(at + 12, true) / 10,
      figures: { cpu: figure(0), ram: figure(1), disk: figure(2), cputemp: figure(3), mbtemp: figure(4) },
      why: text.decode(new Uint8Array(buffer, at + 27, whyBytes)),
      state: new Uint8Array(vms),
      stale: new Uint8Array(vms),
      used: new Float32Array(vms),
      cpu: new Int16Array(vms),
      delay: new Int16Array(vms),
    };
    at += 27 + whyBytes;
    for (let vm = 0; vm < vms; vm++, at += VM_BYTES) {
      const state = view.getUint8(at);
      const used = view.getUint16(at + 1, true);
      host.state[vm] = state & 7;
      host.stale[vm] = state >> 3;
      host.used[vm] = used === 65535 ? NaN : used / 65534;
      host.cpu[vm] = view.getInt16(at + 3, true);
      host.delay[vm] = view.getInt16(at + 5, true);
    }
    hosts.push(host);
  }
  return { time: view.getFloat64(8, true), hosts };
}
