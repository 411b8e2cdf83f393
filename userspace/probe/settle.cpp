#include "userspace/probe/settle.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "userspace/probe/fold.h"
#include "userspace/probe/fold_wait.h"
#include "userspace/probe/kvm_report.h"
#include "userspace/proc/file.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {
namespace {

// Threads that ended meanwhile leave their waits to their VM; what is of VMs that are gone goes.
Result<void> settle_waits(KernelProbe& probe, const Takeover& settled) {
    std::vector<EndedWaitsRow> ended_rows;
    if (const auto read = probe.read_ended_waits(ended_rows); !read) return read;
    std::map<std::uint32_t, vp_history> ended;
    for (const auto& [tgid, history] : ended_rows)
        ended[tgid] = history;
    for (const auto& [tgid, place] : settled.ended_places) {
        const vp_wait& wait = probe.waits()[place];
        add_history(ended[tgid], wait.all);
        if (wait.pending.tgid != 0) {
            if (const auto done = probe.add_pending(tgid, wait.pending); !done) return done;
        }
        if (const auto done = probe.replace_ended_waits({tgid, ended[tgid]}); !done) return done;
    }
    std::vector<CulpritRow> culprits;
    if (const auto read = probe.read_culprits(culprits); !read) return read;
    const auto lives = [&](std::uint32_t tgid) {
        return std::ranges::find(settled.vms, tgid, &VmRow::tgid) != settled.vms.end();
    };
    for (const auto& [tgid, history] : ended) {
        if (!lives(tgid)) probe.remove_ended_waits(tgid);
    }
    for (const auto& [key, culprit] : culprits) {
        if (!lives(key.victim) || (key.tgid != 0 && !lives(key.tgid))) probe.remove_culprit(key);
    }
    return {};
}

Result<void> settle_block(KernelProbe& probe) {
    std::vector<BlockRow> rows;
    if (const auto read = probe.read_block(rows); !read) return read;
    for (auto& row : rows) {
        // Requests in flight when the last agent ended: their ends were not seen.
        row.block.in_flight_since = 0;
        if (const auto replaced = probe.replace_block(row); !replaced) return replaced;
    }
    return {};
}

// What a vCPU was at when the last agent ended means nothing.
void settle_vcpus(const KernelProbe& probe, const Takeover& settled) {
    std::map<std::uint32_t, std::uint64_t> starts;
    for (const auto& row : settled.vms)
        starts[row.tgid] = row.vm.start_ns;
    for (auto& vcpu : probe.vcpus()) {
        const auto vm = starts.find(vcpu.tgid);
        if (vcpu.tid == 0) continue;
        if (vcpu.tid == VP_TID_CLAIMED || vm == starts.end() || vm->second != vcpu.start_ns) {
            free_vcpu(vcpu);
        } else {
            vcpu.entered_ns = 0;
            vcpu.left_ns = 0;
        }
    }
}

}  // namespace

Result<std::size_t> settle_pinned(KernelProbe& probe, const Root& root) {
    std::vector<VmRow> vms;
    if (const auto read = probe.read_vms(vms); !read) return read.error();
    const auto threads = probe.threads();
    std::string buffer;
    const auto settled =
        take_over(vms, threads, [&](std::uint32_t tgid, std::uint32_t tid, std::uint64_t start_ns) {
            auto text = read_file(task_file(root, tgid, tid, "stat"), buffer);
            // A kernel thread that works for the VM is a process of its own.
            if (!text) text = read_file(task_file(root, tid, tid, "stat"), buffer);
            const auto stat = and_then(text, parse_process_stat);
            return stat && !stat->is_dead() && stat->start_ticks == ns_to_ticks(start_ns);
        });
    if (const auto done = settle_waits(probe, settled); !done) return done.error();
    for (const auto place : settled.free_places)
        threads[place] = {};
    settle_vcpus(probe, settled);
    for (const auto tgid : settled.gone_vms)
        probe.remove_vm(tgid);
    for (const auto& row : settled.vms) {
        if (const auto replaced = probe.replace_vm(row.tgid, row.vm); !replaced) {
            return replaced.error();
        }
    }
    probe.clear_transient();
    if (const auto done = settle_block(probe); !done) return done.error();
    return settled.vms.size();
}

}  // namespace virtpulse::agent
