// The numbers behind what the pointer or the keyboard is at.

import { h, say } from "./dom";

const element = h("div", { class: "tooltip", role: "status", "aria-live": "off", hidden: true });
document.body.append(element);
let content = "";

/** Lines of text; the first is the title. `x` and `y` are in the window. */
export function showTip(lines: readonly string[], x: number, y: number): void {
  const text = lines.join("\n");
  if (text !== content || element.hidden) {
    content = text;
    element.replaceChildren(...lines.map((line, at) => {
      const row = h(at === 0 ? "strong" : "div");
      say(row, line);
      return row;
    }));
    element.hidden = false;
  }
  const { offsetWidth: wide, offsetHeight: tall } = element;
  const left = x + 16 + wide > window.innerWidth ? x - wide - 12 : x + 16;
  const top = y + 16 + tall > window.innerHeight ? y - tall - 12 : y + 16;
  element.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}

export function hideTip(): void {
  element.hidden = true;
}
