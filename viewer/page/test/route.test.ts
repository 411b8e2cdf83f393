import assert from "node:assert/strict";
import { test } from "node:test";
import { formatRoute, HOME, parseRoute, type Route } from "../src/route";

const HOSTILE = ["a/b", "ä ö", "?x=1&y", "#", "%", "%zz", "<script>", "\u202e", "..", "host", "日本"];

test("every state is a link and comes back from it", () => {
  const routes: Route[] = [
    HOME, { ...HOME, view: "worst" }, { ...HOME, unhealthy: true, sort: "cpu" }, { ...HOME, dialog: true },
    { ...HOME, search: "a=b & c #" }, { ...HOME, at: 1766324580 },
    { ...HOME, view: "vm", host: "h", uuid: "u", at: 1766324580, span: 300, end: 1766324000 },
    ...HOSTILE.map((host) => ({ ...HOME, view: "host" as const, host, column: "-cpu" })),
    ...HOSTILE.map((uuid) => ({ ...HOME, view: "vm" as const, host: uuid, uuid })),
  ];
  for (const route of routes) assert.deepEqual(parseRoute(formatRoute(route)), route, formatRoute(route));
});

test("what is not known is left out", () => {
  assert.deepEqual(parseRoute(""), HOME);
  assert.deepEqual(parseRoute("#/nowhere?sort=colour&what"), HOME);
  assert.deepEqual(parseRoute("#/host/%zz"), { ...HOME, view: "host", host: "%zz" });
  assert.deepEqual(parseRoute("#/?at=soon&span=-1&end=1e3"), HOME);
  assert.deepEqual(parseRoute("#/?at=&span=1&end=99999999999"), { ...HOME, span: 30, end: 2 ** 33 });
  assert.equal(formatRoute(HOME), "#/");
  assert.equal(formatRoute({ ...HOME, unhealthy: true }), "#/?unhealthy");
});
