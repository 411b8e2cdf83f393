import type { App } from "./app";
import { h } from "./dom";

export class ExtraPanels {
  readonly element = h("div", { class: "extra" });

  constructor(protected readonly app: App, protected readonly of: "host" | "vm") {}

  update(): void {}
}
