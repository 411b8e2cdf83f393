// Bundles the unit tests and runs them: node test.mjs MODULES_DIRECTORY
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = resolve(process.argv[2] ?? here);
if (!existsSync(join(modules, "node_modules/esbuild"))) {
  console.log("skipped: npm could not install esbuild");
  process.exit(77);
}
const require = createRequire(join(modules, "package.json"));
const outdir = mkdtempSync(join(tmpdir(), "virtpulse-page-"));
let status = 1;
try {
  const names = readdirSync(join(here, "test")).filter((name) => name.endsWith(".test.ts"));
  await require("esbuild").build({
    entryPoints: names.map((name) => join(here, "test", name)),
    bundle: true, outdir, outExtension: { ".js": ".mjs" }, format: "esm", platform: "node", target: "node18",
    nodePaths: [join(modules, "node_modules")],
    sourcemap: "inline", logLevel: "warning",
  });
  const tests = names.map((name) => join(outdir, name.replace(/ts$/, "mjs")));
  status = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...tests], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
process.exit(status);
