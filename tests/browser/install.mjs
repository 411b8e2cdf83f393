// Installs the modules of the tests: install.mjs NPM DIRECTORY STAMP. Where that cannot be, the
// build goes on, and the tests say that they are skipped.
import { rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { installed } from "../../viewer/page/modules.mjs";

const [npm, directory, stamp] = process.argv.slice(2);
rmSync(stamp, { force: true });
try {
  installed(npm, dirname(fileURLToPath(import.meta.url)), directory);
  writeFileSync(stamp, "");
} catch (error) {
  console.warn(`No browser tests: ${error.message}`);
}
