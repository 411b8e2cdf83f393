// Installs what a lock file names, once for each state of that file.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** npm's cache first; and a machine without a network tries again at each build, so it gives up soon:
 * npm by itself waits for more than a minute. */
const NETWORK = ["--prefer-offline", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"];

/** Copies package.json and its lock file from `from` to `to` and runs `npm ci` there, unless that
 * was done before. Gives a `require` for what is installed, or throws npm's last words. */
export function installed(npm, from, to) {
  const lock = readFileSync(join(from, "package-lock.json"), "utf8");
  const stamp = join(to, "installed.lock");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
    mkdirSync(to, { recursive: true });
    for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(from, name), join(to, name));
    try {
      // No script of a package runs: what is needed comes ready in the packages.
      execFileSync(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund", ...NETWORK], {
        cwd: to, stdio: ["ignore", "pipe", "pipe"], timeout: 300_000,
      });
    } catch (error) {
      const words = String(error.stderr ?? "").split("\n").filter((line) => line.startsWith("npm ERR!") || line.startsWith("npm error"));
      throw new Error(words[0]?.replace(/^npm (ERR!|error) */, "") || error.message.split("\n")[0]);
    }
    writeFileSync(stamp, lock);
  }
  return createRequire(join(to, "package.json"));
}
