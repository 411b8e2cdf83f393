// The demo, on free ports: four guests of the lab whose loads come and go, and the product that
// watches them. Needs root and a build with tests.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { binary, Product, Program } from "../tests/browser/product.mjs";

const lab = join(dirname(fileURLToPath(import.meta.url)), "lab/lab");

// The counters are pinned in a bpffs of their own: an agent that runs here keeps its own.
const WITH_OWN_BPFFS = ["-m", "--propagation", "private", "sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$0" "$@"'];

/** Resolves with the product once the guests run and the agent sends; `product.stop()` ends all. */
export async function startDemo(directory) {
  const guests = new Program(lab, ["--directory", join(directory, "lab"), "demo"]);
  try {
    await guests.until("the guests run", /^qemu\+unix:.*$/m, 120);
    const [uri] = /^qemu\+unix:.*$/m.exec(guests.said);
    const product = await Product.start({ database: join(directory, "demo.db") });
    product.programs.push(guests);
    const agent = product.run("unshare", [...WITH_OWN_BPFFS, binary("virtpulse-agent"), "--name", "demo-host",
      "--collector", `127.0.0.1:${product.udp}`, "--max-datagram", "65507", "--libvirt", uri]);
    await agent.until("the agent samples", /figures come from ebpf/);
    return product;
  } catch (error) {
    await guests.end();
    throw error;
  }
}
