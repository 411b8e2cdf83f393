// From green to red, in colours that those who see no red or green can tell apart: lightness and
// blueness change too. Colour is never the only sign: marks, lengths and words say the same.

type Rgb = readonly [number, number, number];
type Stop = readonly [at: number, colour: string];

const SCALES: Record<"dark" | "light", readonly Stop[]> = {
  dark: [[0, "#2f9d8a"], [0.28, "#6aa868"], [0.5, "#e0b545"], [0.8, "#e46f3c"], [1, "#e34a62"]],
  light: [[0, "#1f7a69"], [0.28, "#4d7d33"], [0.5, "#d9a521"], [0.8, "#d95f2b"], [1, "#bd2346"]],
};
const STEPS = 64;

const toLinear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
const toGamma = (value: number): number => (value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055);

function parsed(colour: string): Rgb {
  const number = parseInt(colour.slice(1), 16);
  return [((number >> 16) & 255) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}

/** Relative luminance, as WCAG has it. */
export function luminance(colour: string): number {
  const [r, g, b] = parsed(colour);
  return 0.2126 * toLinear(r) + 0.7152 * toLinear(g) + 0.0722 * toLinear(b);
}

/** Contrast of two colours, 1 to 21, as WCAG has it. */
export function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** Mixed as light mixes, so that what lies between is not muddy. */
function mixed(a: Rgb, b: Rgb, share: number): string {
  const part = (at: 0 | 1 | 2): string => {
    const value = toGamma(toLinear(a[at]) * (1 - share) + toLinear(b[at]) * share);
    return Math.round(Math.min(1, Math.max(0, value)) * 255).toString(16).padStart(2, "0");
  };
  return `#${part(0)}${part(1)}${part(2)}`;
}

function table(stops: readonly Stop[]): string[] {
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const at = step / STEPS;
    const upper = stops.findIndex(([stop], index) => index > 0 && stop >= at);
    const [from, low] = stops[upper - 1]!;
    const [to, high] = stops[upper]!;
    return mixed(parsed(low), parsed(high), (at - from) / (to - from));
  });
}

/** Everything that is drawn on a canvas, for one theme. */
export interface Palette {
  name: "dark" | "light";
  scale: string[];
  /** Text on each step of the scale. */
  onScale: string[];
  surface: string;
  edge: string;
  track: string;
  text: string;
  faint: string;
  unknown: string;
  /** VMs that do not run. */
  off: string;
  accent: string;
  wait: string;
}

const INK = "#000000";
const PAPER = "#ffffff";

function palette(name: "dark" | "light", colours: Omit<Palette, "name" | "scale" | "onScale">): Palette {
  const scale = table(SCALES[name]);
  return {
    name, scale, ...colours,
    onScale: scale.map((colour) => (contrast(colour, INK) >= contrast(colour, PAPER) ? INK : PAPER)),
  };
}

export const PALETTES: Record<"dark" | "light", Palette> = {
  dark: palette("dark", {
    surface: "#18202a", edge: "#2a3542", track: "#263140", text: "#e6ebf1", faint: "#9aa7b5",
    unknown: "#5d6977", off: "#5b6775", accent: "#6cb4ee", wait: "#f2d06b",
  }),
  light: palette("light", {
    surface: "#ffffff", edge: "#d5dce4", track: "#e6ebf0", text: "#17202a", faint: "#566472",
    unknown: "#8b97a4", off: "#a9b3be", accent: "#1b6fb5", wait: "#8a5a00",
  }),
};

const step = (severity: number): number => Math.round(Math.min(1, Math.max(0, severity)) * STEPS);

export function colourOf(colours: Palette, severity: number | null): string {
  return severity === null ? colours.unknown : colours.scale[step(severity)]!;
}

export function textOn(colours: Palette, severity: number | null): string {
  return severity === null ? PAPER : colours.onScale[step(severity)]!;
}

/** Three numbers of the viewer's model: nothing to worry about, high, critical. */
export type Threshold = readonly [well: number, high: number, critical: number];

/** The same line as severity_of in viewer/model/health.cpp. */
export function severityOf([well, high, critical]: Threshold, value: number): number {
  if (value <= well) return 0;
  if (value >= critical) return 1;
  return value < high ? (0.5 * (value - well)) / (high - well) : 0.5 + (0.5 * (value - high)) / (critical - high);
}

/** A VM may use its CPUs: its colour turns late. */
export const loadSeverity = (percent: number): number => Math.min(1, Math.max(0, percent / 100)) ** 1.6;
