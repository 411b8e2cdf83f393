// Names are somebody else's text: made fit to be shown, which is all that is ever done with them.

const LONGEST = 255;

/** Control, format (with bidirectional marks), line separator, unassigned and lone surrogate characters. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Cn}]/gu;

/** The name with what could do more than stand in its place replaced by U+FFFD. */
export function shown(name: string): string {
  const cut = name.length > LONGEST ? `${name.slice(0, LONGEST - 1)}…` : name;
  const safe = cut.replace(HARMFUL, "\uFFFD");
  return safe.trim() === "" ? "(blank)" : safe;
}

/** What a program said, as a sentence of its own. */
export function sentence(text: string): string {
  const said = shown(text);
  return `${said.charAt(0).toUpperCase()}${said.slice(1)}.`;
}

/** The name as it is where it fits, else without its domain, else with its middle left out. */
export function fittedHost(text: string, room: number, measure: (text: string) => number): string {
  if (measure(text) <= room) return text;
  const isAddress = /^[\d.]+$/.test(text);
  return fitted(isAddress ? text : text.replace(/(?<=.)\..*$/s, ""), room, measure);
}

/** The text with its middle left out, so that `measure` of it is at most `room`. Both ends of a name
 * tell machines apart. */
export function fitted(text: string, room: number, measure: (text: string) => number): string {
  if (measure(text) <= room) return text;
  const letters = [...text];
  let fits = 0;
  let over = letters.length;
  const cut = (kept: number): string => {
    const head = Math.ceil(kept / 2);
    return `${letters.slice(0, head).join("")}…${letters.slice(letters.length - (kept - head)).join("")}`;
  };
  while (over - fits > 1) {
    const middle = (fits + over) >> 1;
    if (measure(cut(middle)) <= room) fits = middle;
    else over = middle;
  }
  return fits > 0 ? cut(fits) : "";
}
