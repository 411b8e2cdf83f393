// What an agent left out because it did not fit into a datagram, in words: it is not as if it were 0.

import { isObject, type DetailSample, type Loose } from "./details";
import { shown } from "./names";
import { isRunning } from "./units";

/** By eBPF each VM with a run delay has a wait object, and that its counts. */
const isCut = (ext: Loose): "waits" | "histograms" | null => {
  if (typeof ext.run_delay_ns !== "number") return null;
  if (!isObject(ext.wait)) return "waits";
  return Array.isArray(ext.wait.counts) ? null : "histograms";
};

const REMEDY = "where the figures of a VM do not fit into a datagram, a larger --max-datagram of the agent helps.";

/** What a VM's frames leave out, and the remedy; null where nothing is. */
export function cutWords(newest: DetailSample | undefined, key: string): string | null {
  const vm = newest?.vms.get(key);
  if (!newest || !vm || newest.host.source !== "ebpf" || !isRunning(vm.detail.state)) return null;
  const what = isCut(vm.ext);
  if (what === null) return null;
  return what === "waits" ? `The agent does not say what it waits for: ${REMEDY}` : `The agent does not say how long single waits and requests are: ${REMEDY}`;
}

/** Of which VMs of the host the waits are left out; null where of none. */
export function cutVms(newest: DetailSample | undefined, most = 5): string | null {
  if (!newest || newest.host.source !== "ebpf") return null;
  const names = [...newest.vms.values()]
    .filter(({ detail, ext }) => isRunning(detail.state) && isCut(ext) === "waits").map(({ detail }) => shown(detail.name));
  if (names.length === 0) return null;
  const more = names.length > most ? ` and ${names.length - most} more` : "";
  return `The agent does not say what ${names.slice(0, most).join(", ")}${more} ${names.length === 1 ? "waits" : "wait"} for: ${REMEDY}`;
}
