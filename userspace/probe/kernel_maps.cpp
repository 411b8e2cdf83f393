#include <bpf/bpf.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>

#include "userspace/probe/kernel_probe_impl.h"
#include "userspace/probe/record_word.h"

namespace virtpulse::agent {
namespace {

// Runs a program of type `syscall` and gives what it returns.
template <class Argument>
Result<std::uint32_t> run(const bpf_program* program, Argument argument) {
    bpf_test_run_opts options{};
    options.sz = sizeof options;
    options.ctx_in = &argument;
    options.ctx_size_in = sizeof argument;
    if (bpf_prog_test_run_opts(bpf_program__fd(program), &options) != 0) {
        return system_error("cannot run " + std::string(bpf_program__name(program)));
    }
    return options.retval;
}

}  // namespace

Result<void> KernelProbe::read_vms(std::vector<VmRow>& rows) {
    return read_rows(impl_->skeleton->maps.vms, impl_->vms, rows);
}

Result<void> KernelProbe::read_block(std::vector<BlockRow>& rows) {
    return read_rows(impl_->skeleton->maps.vm_block, impl_->block, rows);
}

void KernelProbe::read_devices(std::vector<DeviceRow>& rows) const {
    rows.clear();
    for (const vp_device& device : std::span(impl_->devices.get(), VP_MAX_DEVICES)) {
        if (const std::uint32_t dev = agent::load(device.dev)) rows.push_back({dev, device});
    }
}

Result<void> KernelProbe::read_ended_waits(std::vector<EndedWaitsRow>& rows) {
    return read_rows(impl_->skeleton->maps.ended_waits, impl_->ended_waits, rows);
}

Result<void> KernelProbe::read_culprits(std::vector<CulpritRow>& rows) {
    return read_rows(impl_->skeleton->maps.culprits, impl_->culprits, rows);
}

Result<void> KernelProbe::read_next_culprits(std::vector<CulpritRow>& rows) {
    return read_rows(impl_->skeleton->maps.culprits, impl_->culprits, rows, impl_->next_culprits,
                     bpf_map__max_entries(impl_->skeleton->maps.culprits) / 8);
}

Result<vp_failures> KernelProbe::read_failures() {
    const std::uint32_t only = 0;
    vp_failures failures{};
    if (bpf_map_lookup_elem(impl_->fd(impl_->skeleton->maps.failures), &only, &failures) != 0) {
        return system_error("cannot read the map failures");
    }
    return failures;
}

Result<vp_agents> KernelProbe::agree(const vp_agents& if_none) {
    const int fd = impl_->fd(impl_->skeleton->maps.agents);
    const std::uint32_t only = 0;
    vp_agents agents{};
    if (bpf_map_lookup_elem(fd, &only, &agents) == 0 && agents.boot_to_epoch_ns != 0) return agents;
    if (bpf_map_update_elem(fd, &only, &if_none, BPF_ANY) != 0) {
        return system_error("cannot write the map agents");
    }
    return if_none;
}

std::span<vp_thread, VP_MAX_THREADS> KernelProbe::threads() const {
    return std::span<vp_thread, VP_MAX_THREADS>(impl_->threads.get(), VP_MAX_THREADS);
}
std::span<vp_wait, VP_MAX_THREADS> KernelProbe::waits() const {
    return std::span<vp_wait, VP_MAX_THREADS>(impl_->waits.get(), VP_MAX_THREADS);
}
std::span<vp_vcpu> KernelProbe::vcpus() const {
    return {impl_->vcpus.get(), impl_->vcpus ? std::size_t{VP_MAX_VCPUS} : 0};
}
std::uint64_t KernelProbe::vcpus_begun() const {
    return agent::load(impl_->skeleton->bss->vcpus_begun);
}

Result<bool> KernelProbe::add_vm(std::uint32_t tgid, const vp_vm& vm) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &vm, BPF_NOEXIST) == 0) {
        return true;
    }
    if (errno == EEXIST) return false;
    return system_error("cannot add process " + std::to_string(tgid) + " to the map vms");
}

Result<void> KernelProbe::replace_vm(std::uint32_t tgid, const vp_vm& vm) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &vm, BPF_ANY) != 0) {
        return system_error("cannot write process " + std::to_string(tgid) + " to the map vms");
    }
    return {};
}

std::optional<vp_vm> KernelProbe::find_vm(std::uint32_t tgid) const {
    vp_vm vm{};
    if (bpf_map_lookup_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &vm) != 0) {
        return std::nullopt;
    }
    return vm;
}

Result<bool> KernelProbe::confirm_vm(vp_confirmation confirmation) {
    const auto done = run(impl_->skeleton->progs.vp_confirm_vm, confirmation);
    if (!done) return done.error();
    return *done != 0;
}

Result<void> KernelProbe::retire_lost(vp_lost_thread lost) {
    const bpf_program* const program = impl_->skeleton->progs.vp_retire_lost;
    if (bpf_program__fd(program) < 0) return {};
    if (const auto done = run(program, lost); !done) return done.error();
    return {};
}

Result<void> KernelProbe::set_unconfirmed(const vp_unconfirmed& counts) {
    const std::uint32_t only = 0;
    const int fd = impl_->fd(impl_->skeleton->maps.unconfirmed);
    if (bpf_map_update_elem(fd, &only, &counts, BPF_ANY) != 0) {
        return system_error("cannot write the map unconfirmed");
    }
    return {};
}

// What is to be removed may be gone already: no error in these.
void KernelProbe::remove_vm(std::uint32_t tgid) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid);
}
void KernelProbe::remove_ended_waits(std::uint32_t tgid) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.ended_waits), &tgid);
}
void KernelProbe::remove_culprit(const vp_culprit_key& key) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.culprits), &key);
}
std::optional<vp_culprit> KernelProbe::take_out_culprit(const vp_culprit_key& key) {
    vp_culprit culprit{};
    const int fd = impl_->fd(impl_->skeleton->maps.culprits);
    if (bpf_map_lookup_and_delete_elem(fd, &key, &culprit) != 0) return std::nullopt;
    return culprit;
}
Result<void> KernelProbe::add_pending(std::uint32_t victim, const vp_pending& pending) {
    const int fd = impl_->fd(impl_->skeleton->maps.culprits);
    vp_culprit_key key{};
    key.victim = victim;
    key.tgid = pending.tgid;
    vp_culprit culprit{};
    static_cast<void>(bpf_map_lookup_elem(fd, &key, &culprit));
    culprit.ns += pending.ns;
    culprit.waits += pending.waits;
    culprit.last_tgid = pending.tgid;
    if (bpf_map_update_elem(fd, &key, &culprit, BPF_ANY) != 0) {
        return system_error("cannot write to the map culprits");
    }
    return {};
}
void KernelProbe::remove_block(const vp_block_key& key) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.vm_block), &key);
}
void KernelProbe::remove_cgroup(std::uint64_t cgroup_id) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.cgroups), &cgroup_id);
}

Result<void> KernelProbe::replace_ended_waits(const EndedWaitsRow& row) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.ended_waits), &row.tgid, &row.history,
                            BPF_ANY) != 0) {
        return system_error("cannot write the map ended_waits");
    }
    return {};
}

Result<void> KernelProbe::set_node(std::uint32_t cpu, std::uint32_t node) {
    vp_cpu fresh{};
    fresh.node = node;
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.cpus), &cpu, &fresh, BPF_ANY) != 0) {
        return system_error("cannot write CPU " + std::to_string(cpu) + " to the map cpus");
    }
    return {};
}

Result<void> KernelProbe::replace_block(const BlockRow& row) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vm_block), &row.key, &row.block,
                            BPF_ANY) != 0) {
        return system_error("cannot write the map vm_block");
    }
    return {};
}

Result<void> KernelProbe::set_cgroup_owner(std::uint64_t cgroup_id, const vp_owner& owner) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.cgroups), &cgroup_id, &owner,
                            BPF_ANY) != 0) {
        return system_error("cannot add a cgroup to the map cgroups");
    }
    return {};
}

void KernelProbe::clear_transient() {
    for (const bpf_map* map : {impl_->skeleton->maps.requests, impl_->skeleton->maps.cgroups}) {
        const int fd = impl_->fd(map);
        std::uint64_t key = 0;  // of both
        while (bpf_map_get_next_key(fd, nullptr, &key) == 0 && bpf_map_delete_elem(fd, &key) == 0) {
        }
    }
}

Result<void> KernelProbe::expire_requests() {
    using namespace std::chrono_literals;
    constexpr std::chrono::nanoseconds overdue_at_device = 1s;  // leaves the handlers their time
    // Longer than any queue. Should one be issued yet, it is known by its cgroup like any other.
    constexpr std::chrono::nanoseconds overdue_in_queue = 30s;

    const bpf_map* const map = impl_->skeleton->maps.requests;
    if (auto read = read_rows(map, impl_->requests, impl_->request_rows); !read) return read;
    const auto now = std::chrono::steady_clock::now().time_since_epoch();  // CLOCK_MONOTONIC
    const auto is_overdue = [=](const vp_request& request) {
        const auto passed = [now](std::uint64_t ns) { return now - std::chrono::nanoseconds(ns); };
        return request.issued_ns != 0 ? passed(request.issued_ns) > overdue_at_device
                                      : passed(request.queued_ns) > overdue_in_queue;
    };
    const bpf_program* const program = impl_->skeleton->progs.vp_expire_request;
    for (const auto& [key, request] : impl_->request_rows) {
        if (!is_overdue(request)) continue;
        if (bpf_program__fd(program) >= 0) {
            const auto done = run(program, vp_expiry{key, request.queued_ns, request.issued_ns});
            if (!done) return done.error();
        } else if (request.issued_ns == 0) {
            bpf_map_delete_elem(impl_->fd(map), &key);  // so that the map does not fill
        }
    }
    return {};
}

std::uint64_t KernelProbe::room_of(std::string_view map) const {
    const bpf_map* found =
        bpf_object__find_map_by_name(impl_->skeleton->obj, std::string(map).c_str());
    return found ? bpf_map__max_entries(found) : 0;
}

}  // namespace virtpulse::agent
