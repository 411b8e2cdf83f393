// The grid: a tile for each host, flowing to fill the window. The picture is one canvas; over each
// tile lies a link, for the pointer, the keyboard and readers of the screen.

import type { App, View } from "./app";
import { healthWords, hostLines, vmLines } from "./describe";
import { h, setAttribute, sized } from "./dom";
import { TilePainter } from "./draw_tile";
import { select, type GridHost } from "./grid_model";
import { shown } from "./names";
import type { Route } from "./route";
import { emptyState } from "./states";
import { Packings, placedVms } from "./tile_parts";
import { flow, type Flow } from "./tiles";
import { hideTip, showTip } from "./tooltip";
import { counted } from "./units";

const packings = new Packings();

export class GridView implements View {
  readonly element = h("main", { class: "grid", id: "view", tabindex: -1 });
  private readonly canvas = h("canvas", { "aria-hidden": "true" });
  private readonly links = h("div", { class: "links", role: "list", "aria-label": "Hypervisors" });
  private readonly spacer = h("div", { class: "spacer" }, this.canvas, this.links);
  private readonly notice = h("div", { class: "notice" });
  private readonly byName = new Map<string, HTMLAnchorElement>();
  private hosts: GridHost[] = [];
  private layout: Flow = flow(0, 1, 1);
  private focused = "";
  /** The route that the links were made for. */
  private linked: Route | null = null;
  private pending = 0;

  constructor(private readonly app: App) {
    this.element.append(this.spacer, this.notice);
    this.element.addEventListener("scroll", () => this.soon(), { passive: true });
    this.links.addEventListener("pointermove", (event) => this.point(event));
    this.links.addEventListener("pointerleave", hideTip);
    this.links.addEventListener("click", (event) => this.click(event));
    this.links.addEventListener("keydown", (event) => this.key(event));
    this.links.addEventListener("focusin", (event) => this.focus(event));
    this.links.addEventListener("focusout", hideTip);
  }

  update(): void {
    const { route, model } = this.app;
    this.hosts = select(model, route, this.app.silentSeverity);
    this.draw();
  }

  resize(): void {
    this.draw();
  }

  close(): void {
    window.cancelAnimationFrame(this.pending);
    hideTip();
  }

  private soon(): void {
    window.cancelAnimationFrame(this.pending);
    this.pending = window.requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    const empty = emptyState(this.app, this.hosts.length);
    this.notice.replaceChildren(...(empty ? [empty] : []));
    this.notice.hidden = !empty;
    this.spacer.hidden = !!empty;
    if (empty) {
      this.hosts = [];
      this.placeLinks(0, 0);
      return;
    }
    const { clientWidth: wide, clientHeight: tall } = this.element;
    const margin = wide < 600 ? 8 : 16;
    this.layout = flow(this.hosts.length, wide - 2 * margin, tall - 2 * margin, this.app.zoom);
    this.layout.left += margin;
    this.spacer.style.height = `${Math.max(tall, this.layout.total + 2 * margin)}px`;
    // In the middle where there is room to spare.
    this.top = Math.max(margin, Math.floor((tall - this.layout.total) / 2));
    if (this.layout.total < tall * 0.6) this.top = Math.min(this.top, Math.max(margin, Math.floor(tall * 0.12)));
    const paint = sized(this.canvas, wide, tall);
    const painter = new TilePainter(paint, this.app.colours, this.app.thresholds, packings);
    const { columns, height, width, gap } = this.layout;
    const scroll = this.element.scrollTop;
    const first = Math.max(0, Math.floor((scroll - this.top) / (height + gap))) * columns;
    const last = Math.min(this.hosts.length, Math.ceil((scroll + tall - this.top) / (height + gap) + 1) * columns);
    for (let at = first; at < last; at++) {
      const place = this.placeOf(at);
      painter.tile(this.hosts[at]!, { x: place.x, y: place.y - scroll, width, height });
    }
    this.placeLinks(first, last);
  }

  private top = 0;

  private placeOf(at: number): { x: number; y: number } {
    const { columns, width, height, gap, left } = this.layout;
    return { x: left + (at % columns) * (width + gap), y: this.top + Math.floor(at / columns) * (height + gap) };
  }

  /** A link over each tile that is seen; where the focus is there is one, seen or not. */
  private placeLinks(first: number, last: number): void {
    const { width, height } = this.layout;
    const wanted = new Set<string>();
    const isMoved = this.linked !== this.app.route;
    this.linked = this.app.route;
    const current = document.activeElement;
    let before: Element | null = null;
    const focusedAt = this.hosts.findIndex((host) => host.name === this.focused);
    const tabStop = focusedAt >= 0 ? focusedAt : first;
    const place = (at: number): void => {
      const host = this.hosts[at];
      if (!host) return;
      wanted.add(host.name);
      let link = this.byName.get(host.name);
      if (!link) {
        link = h("a", { class: "tile" });
        this.byName.set(host.name, link);
        this.links.append(h("div", { role: "listitem" }, link));
      }
      link.dataset.at = String(at);
      if (link.href === "" || isMoved) link.setAttribute("href", this.app.link({ view: "host", host: host.name }));
      setAttribute(link, "aria-label", `${shown(host.name)}, ${healthWords(host)}, ${counted(host.vms.length, "VM")}`);
      setAttribute(link, "tabindex", at === tabStop ? "0" : "-1");
      const { x, y } = this.placeOf(at);
      const where = `translate(${x}px, ${y}px)`;
      if (link.style.transform !== where) link.style.transform = where;
      link.style.width = `${width}px`;
      link.style.height = `${height}px`;
      const item: Element = link.parentElement!;
      const next: Element | null = before === null ? this.links.firstElementChild : before.nextElementSibling;
      // Moving an element takes the focus from it.
      if (next !== item && link !== current) this.links.insertBefore(item, next);
      before = item;
    };
    if (focusedAt >= 0 && focusedAt < first) place(focusedAt);
    for (let at = first; at < last; at++) place(at);
    if (focusedAt >= last) place(focusedAt);
    for (const [name, link] of this.byName) {
      if (wanted.has(name)) continue;
      link.parentElement!.remove();
      this.byName.delete(name);
    }
  }

  private hit(event: MouseEvent): { host: GridHost; vm: number } | null {
    const link = event.target instanceof Element ? event.target.closest("a.tile") : null;
    if (!(link instanceof HTMLAnchorElement)) return null;
    const host = this.hosts[Number(link.dataset.at)];
    if (!host) return null;
    const box = link.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const { width, height } = this.layout;
    const found = placedVms(host, width, height, packings).find((vm) => (vm.x - x) ** 2 + (vm.y - y) ** 2 <= vm.r ** 2);
    return { host, vm: found ? found.vm : -1 };
  }

  private point(event: PointerEvent): void {
    const hit = this.hit(event);
    if (!hit) return hideTip();
    showTip(hit.vm >= 0 ? vmLines(hit.host, hit.vm, this.app) : hostLines(hit.host, this.app), event.clientX, event.clientY);
  }

  private click(event: MouseEvent): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab: the link's own way
    const hit = this.hit(event);
    // The keyboard's click has no place.
    if (!hit || hit.vm < 0 || event.detail === 0) return;
    event.preventDefault();
    this.app.go({ view: "vm", host: hit.host.name, uuid: hit.host.vms[hit.vm]!.key });
  }

  private focus(event: FocusEvent): void {
    const link = event.target;
    if (!(link instanceof HTMLAnchorElement)) return;
    const host = this.hosts[Number(link.dataset.at)];
    if (!host) return;
    this.focused = host.name;
    if (!link.matches(":focus-visible")) return;
    const box = link.getBoundingClientRect();
    showTip(hostLines(host, this.app), box.left + box.width / 2, box.bottom - 8);
  }

  private key(event: KeyboardEvent): void {
    const at = this.hosts.findIndex((host) => host.name === this.focused);
    const { columns } = this.layout;
    const steps: Record<string, number> = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -this.hosts.length, End: this.hosts.length,
    };
    const step = steps[event.key];
    if (step === undefined || at < 0) return;
    event.preventDefault();
    const to = Math.min(this.hosts.length - 1, Math.max(0, at + step));
    this.focused = this.hosts[to]!.name;
    const { y } = this.placeOf(to);
    const { scrollTop, clientHeight } = this.element;
    if (y < scrollTop) this.element.scrollTop = y - 8;
    else if (y + this.layout.height > scrollTop + clientHeight) this.element.scrollTop = y + this.layout.height - clientHeight + 8;
    this.draw();
    this.byName.get(this.focused)?.focus({ preventScroll: true });
  }
}
