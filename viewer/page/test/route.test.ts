import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRoute, HOME, parseRoute, type Route } from "../src/route";

const HOSTILE = ["a/b", "ä ö", "?x=1&y", "#", "%", "%zz", "<script>", "\u202e", "..", "host", "日本"];

test("every state is a link and comes back from it", () => {
  const routes: Route[] = [
    HOME, { ...HOME, view: "worst" }, { ...HOME, unhealthy: true, sort: "cpu" }, { ...HOME, dialog: true },
    { ...HOME, search: "a=b & c #" },
    ...HOSTILE.map((host) => ({ ...HOME, view: "host" as const, host, column: "-cpu" })),
    ...HOSTILE.map((uuid) => ({ ...HOME, view: "vm" as const, host: uuid, uuid })),
  ];
  for (const route of routes) assert.deepEqual(parseRoute(formatRoute(route)), route, formatRoute(route));
});

test("what is not known is left out", () => {
  assert.deepEqual(parseRoute(""), HOME);
  assert.deepEqual(parseRoute("#/nowhere?sort=colour&what"), HOME);
  assert.deepEqual(parseRoute("#/host/%zz"), { ...HOME, view: "host", host: "%zz" });
  assert.equal(formatRoute(HOME), "#/");
  assert.equal(formatRoute({ ...HOME, unhealthy: true }), "#/?unhealthy");
});
