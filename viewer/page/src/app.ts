// What every view is given: the state of the page, and the few ways to change it.

import type { Palette } from "./colour";
import type { Details } from "./details";
import type { GridModel } from "./grid_model";
import type { HistoryClient } from "./history";
import type { Route } from "./route";
import type { StreamState } from "./stream";
import type { Thresholds } from "./thresholds";
import type { UnitSystem } from "./units";

export interface CollectorState {
  address: string;
  state: "connecting" | "connected" | "waiting";
  reason: string | null;
  since_s: number;
  next_attempt_s: number | null;
  frames: number;
  bad_frames: number;
}

export interface FindingEntry {
  severity: number;
  level: string;
  host: string;
  vm: string;
  uuid: string;
  text: string;
}

/** The point in time that is looked at: now, or one of the past, which has to be loaded first. */
export type Moment =
  | { state: "live" }
  | { state: "loading"; at: number | null }
  | { state: "ready"; at: number }
  | { state: "failed"; at: number; reason: string };

export interface App {
  readonly model: GridModel;
  readonly details: Details;
  route: Route;
  colours: Palette;
  thresholds: Thresholds;
  delayThreshold: readonly [number, number, number];
  units: UnitSystem;
  forgetAfter: number;
  silentSeverity: number;
  stream: StreamState;
  /** Whether an overview came since the page was opened. */
  hasData: boolean;
  collectors: CollectorState[] | null;
  findings: { worst: FindingEntry[]; more: number } | null;
  zoom: number;
  moment: Moment;
  readonly history: HistoryClient;
  /** The address that leads to a changed state. */
  link(change: Partial<Route>): string;
  /** Goes there; `replace` leaves no step to go back to. */
  go(change: Partial<Route>, replace?: boolean): void;
  /** Goes to the time that every view is to be of; what is not past is now. */
  lookAt(time: number): void;
}

export interface View {
  readonly element: HTMLElement;
  /** New figures, another route to the same view, another theme. */
  update(): void;
  /** The window changed its size. */
  resize?(): void;
  close?(): void;
}
