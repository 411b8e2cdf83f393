// What KernelProbe holds, for its two files alone: kernel_probe.cpp loads, attaches and runs,
// kernel_maps.cpp reads and writes the maps' rows.
#pragma once

#include <bpf/libbpf.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "userspace/probe/kernel_probe.h"
#include "userspace/probe/map_rows.h"
#include "virtpulse_bpf.skel.h"

namespace virtpulse::agent {

struct FreeSkeleton {
    void operator()(virtpulse_bpf* skeleton) const noexcept;
};
using Skeleton = std::unique_ptr<virtpulse_bpf, FreeSkeleton>;

struct FreeLink {
    void operator()(bpf_link* link) const noexcept { bpf_link__destroy(link); }
};
using Link = std::unique_ptr<bpf_link, FreeLink>;

// An array map's memory.
template <class Record, std::size_t count>
struct Unmap {
    void operator()(Record* memory) const noexcept { munmap(memory, sizeof(Record) * count); }
};
template <class Record, std::size_t count = VP_MAX_THREADS>
using Mapped = std::unique_ptr<Record, Unmap<Record, count>>;

struct KernelProbe::Impl {
    Skeleton skeleton;
    std::vector<bpf_map*> to_pin;  // in place of pinned maps of another shape
    Mapped<vp_thread> threads;
    Mapped<vp_wait> waits;
    Mapped<vp_vcpu, VP_MAX_VCPUS> vcpus;  // null without the programs for KVM
    Mapped<vp_device, VP_MAX_DEVICES> devices;
    std::vector<Link> links;  // after the skeleton, so that they go first
    Link adopt;
    Fd measuring;
    Batch<std::uint32_t, vp_vm> vms;
    Batch<std::uint32_t, vp_history> ended_waits;
    Batch<vp_culprit_key, vp_culprit> culprits;
    Position next_culprits;
    Batch<vp_block_key, vp_block> block;
    Batch<std::uint64_t, vp_request> requests;
    std::vector<RequestRow> request_rows;

    [[nodiscard]] int fd(const bpf_map* map) const { return bpf_map__fd(map); }
};

}  // namespace virtpulse::agent
