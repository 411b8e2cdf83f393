// What a program draws on a terminal, as a page of HTML: from `tmux capture-pane -e -p`.

const BASIC = ["#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5", "#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff"];
const PAPER = "#101418";
const INK = "#d8dee6";

/** One of xterm's 256 colours. */
function colourOf(number) {
  if (number < 16) return BASIC[number];
  if (number >= 232) return `rgb(${[0, 0, 0].map(() => 8 + 10 * (number - 232)).join(" ")})`;
  const at = number - 16;
  return `rgb(${[36, 6, 1].map((by) => Math.floor(at / by) % 6).map((step) => (step === 0 ? 0 : 55 + 40 * step)).join(" ")})`;
}

/** Changes `look` as the numbers of an escape sequence that ends in m say. */
function apply(look, numbers) {
  for (let at = 0; at < numbers.length; at++) {
    const code = numbers[at];
    if (code === 0) Object.assign(look, { ink: null, paper: null, bold: false, dim: false, turned: false });
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 7) look.turned = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 27) look.turned = false;
    else if (code === 39) look.ink = null;
    else if (code === 49) look.paper = null;
    else if ((code === 38 || code === 48) && numbers[at + 1] === 5) {
      look[code === 38 ? "ink" : "paper"] = colourOf(numbers[at + 2]);
      at += 2;
    } else if (code >= 30 && code <= 37) look.ink = colourOf(code - 30);
    else if (code >= 40 && code <= 47) look.paper = colourOf(code - 40);
    else if (code >= 90 && code <= 97) look.ink = colourOf(code - 82);
  }
}

const escaped = (text) => text.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`);

export function htmlOf(captured) {
  const look = { ink: null, paper: null, bold: false, dim: false, turned: false };
  const body = captured.replace(/\n+$/, "").split(/(\u001b\[[\d;]*m)/).map((piece) => {
    const sequence = /^\u001b\[([\d;]*)m$/.exec(piece);
    if (sequence) {
      apply(look, (sequence[1] || "0").split(";").map(Number));
      return "";
    }
    const [ink, paper] = [look.ink ?? INK, look.paper ?? PAPER];
    const [front, back] = look.turned ? [paper, ink] : [ink, paper];
    return `<span style="color:${front};background:${back};${look.bold ? "font-weight:700;" : ""}${look.dim ? "opacity:0.6;" : ""}">${escaped(piece)}</span>`;
  }).join("");
  return `<!doctype html><meta charset="utf-8"><body style="margin:0;background:${PAPER}"><pre id="screen" style="display:inline-block;margin:0;padding:12px;font:14px/1.25 'DejaVu Sans Mono',monospace">${body}</pre>`;
}
