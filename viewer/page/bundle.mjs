// Checks and bundles the page, and writes it as C++: see cmake/VirtpulsePage.cmake.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { installed } from "./modules.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values: given } = parseArgs({
  options: Object.fromEntries(["npm", "modules", "no-assets", "output", "stamp"].map((name) => [name, { type: "string" }])),
});

function writeIfNew(path, text) {
  if (!existsSync(path) || readFileSync(path, "utf8") !== text) writeFileSync(path, text);
}

/** A C++ string literal, in pieces that every compiler takes. */
function literal(text) {
  const bytes = Buffer.from(text, "utf8");
  const lines = [];
  for (let at = 0; at < bytes.length; at += 96) {
    let line = "";
    for (const byte of bytes.subarray(at, at + 96)) {
      const character = String.fromCharCode(byte);
      line += byte < 32 || byte > 126 || "\"\\?".includes(character)
        ? "\\" + byte.toString(8).padStart(3, "0") : character;
    }
    lines.push(`    "${line}"`);
  }
  return { lines: lines.join("\n"), size: bytes.length };
}

function assets(files) {
  const entries = files.map(({ path, type, text }) => {
    const { lines, size } = literal(text);
    return `    {"${path}", "${type}",\n${lines}, ${size}},`;
  });
  return `// Made from viewer/page.
#include "viewer/web/assets.h"

#include <array>

namespace virtpulse::viewer::web {
namespace {

struct File {
    std::string_view path;
    std::string_view type;
    const char* bytes;
    std::size_t size;
};
constexpr std::array<File, ${files.length}> files{{
${entries.map((entry) => entry.replace(/^ {4}\{/, "    File{")).join("\n")}
}};
constexpr auto table = [] {
    std::array<Asset, files.size()> made{};
    for (std::size_t at = 0; at < files.size(); ++at)
        made[at] = {files[at].path, files[at].type, {files[at].bytes, files[at].size}};
    return made;
}();

}  // namespace

std::span<const Asset> assets() {
    return table;
}
std::string_view why_no_page() {
    return {};
}

}  // namespace virtpulse::viewer::web
`;
}

rmSync(given.stamp, { force: true });
let modules;
try {
  modules = installed(given.npm, here, given.modules);
} catch (error) {
  const why = `npm could not install what bundles it: ${error.message}`.replace(/[^\x20-\x7e]|["\\]/g, " ");
  console.warn(`No page in this build: ${why}`);
  writeIfNew(given.output, readFileSync(given["no-assets"], "utf8").replace("@WHY_NO_PAGE@", why));
  process.exit(0);
}

try {
  // What is imported is not beside the sources, but where it was installed.
  const installedIn = join(given.modules, "node_modules");
  const project = join(given.modules, "tsconfig.json");
  writeFileSync(project, JSON.stringify({
    extends: join(here, "tsconfig.json"), include: [join(here, "src")],
    compilerOptions: { paths: { "*": [join(installedIn, "*")] } },
  }));
  execFileSync(process.execPath, [modules.resolve("typescript/bin/tsc"), "--noEmit", "--project", project],
    { stdio: "inherit" });
  const licence = readFileSync(join(installedIn, "uplot/LICENSE"), "utf8").trim();
  const { outputFiles } = await modules("esbuild").build({
    entryPoints: [join(here, "src/main.ts")],
    bundle: true, minify: true, write: false, format: "iife", target: "es2022", charset: "utf8",
    legalComments: "none", nodePaths: [installedIn], footer: { js: `/* uPlot: ${licence} */` },
  });
  const read = (name) => readFileSync(join(here, name), "utf8");
  writeIfNew(given.output, assets([
    { path: "/", type: "text/html; charset=utf-8", text: read("index.html") },
    { path: "/login", type: "text/html; charset=utf-8", text: read("login.html") },
    { path: "/login.js", type: "text/javascript; charset=utf-8", text: read("login.js") },
    { path: "/app.js", type: "text/javascript; charset=utf-8", text: outputFiles[0].text },
    { path: "/style.css", type: "text/css; charset=utf-8", 
      text: readFileSync(join(installedIn, "uplot/dist/uPlot.min.css"), "utf8") + read("style.css") },
    { path: "/icon.svg", type: "image/svg+xml", text: read("icon.svg") },
  ]));
  writeFileSync(given.stamp, "");
} catch (error) {
  if (!error.errors && !error.status) console.error(error.message);
  process.exit(1);
}
