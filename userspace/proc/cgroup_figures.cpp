#include "userspace/proc/cgroup_figures.h"

#include <algorithm>
#include <array>
#include <utility>

namespace virtpulse::agent {
namespace {

using Clock = std::chrono::steady_clock;

// What a directory counted since it was last read; one made anew began at 0.
void add_growth(Throttling& sum, const Throttling& before, const Throttling& now) {
    const bool is_same = now.periods >= before.periods && now.throttled_ns >= before.throttled_ns &&
                         now.throttled_periods >= before.throttled_periods;
    const auto base = is_same ? before : Throttling{};
    sum.periods += now.periods - base.periods;
    sum.throttled_periods += now.throttled_periods - base.throttled_periods;
    sum.throttled_ns += now.throttled_ns - base.throttled_ns;
}

}  // namespace

CgroupFigures::CgroupFigures(Root root, CgroupEffort effort)
    : root_(std::move(root)), effort_(effort) {}

void CgroupFigures::sample(std::span<const ProcessKey> processes, Clock::time_point now) {
    keep_only(processes);
    std::size_t files = 0;
    std::size_t searches = 0;
    auto turn = std::ranges::upper_bound(vms_, last_, {}, &Vm::process);
    for (std::size_t seen = 0; seen < vms_.size() && files < effort_.files; ++seen, ++turn) {
        if (turn == vms_.end()) turn = vms_.begin();
        auto& vm = *turn;
        if (vm.search_next <= now && searches < effort_.searches) {
            ++searches;
            search(vm, now);
        }
        if (!vm.was_searched) break;
        const auto cost = vm.quotas.size() + vm.pressure.size();
        if (files > 0 && files + cost > effort_.files) break;
        files += cost;
        if (cost > 0) read(vm, now);
        last_ = vm.process;
    }
}

// Those of `processes`, which are mostly the same as at the call before.
void CgroupFigures::keep_only(std::span<const ProcessKey> processes) {
    if (std::ranges::equal(vms_, processes, {}, &Vm::process)) return;
    std::vector<Vm> kept;
    kept.reserve(processes.size());
    auto known = vms_.begin();
    const auto drop_known = [&] {
        close(known->quotas);
        close(known->pressure);
        ++known;
    };
    for (const auto& process : processes) {
        while (known != vms_.end() && known->process < process)
            drop_known();
        if (known != vms_.end() && known->process == process) {
            kept.push_back(std::move(*known++));
        } else {
            kept.emplace_back().process = process;
        }
    }
    while (known != vms_.end())
        drop_known();
    vms_ = std::move(kept);
}

std::optional<wire::CgroupExt> CgroupFigures::figures(const ProcessKey& process,
                                                      Clock::time_point now) const {
    const auto found = std::ranges::lower_bound(vms_, process, {}, &Vm::process);
    if (found == vms_.end() || found->process != process) return std::nullopt;
    const auto& vm = *found;
    const bool has_stalls = vm.stalls != wire::PressureExt{};
    if (!vm.read_at || (!vm.throttling && !has_stalls)) return std::nullopt;
    wire::CgroupExt figures;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - *vm.read_at);
    figures.age_ms = static_cast<std::uint64_t>(std::max<std::int64_t>(age.count(), 0));
    if (vm.throttling) {
        figures.periods = vm.throttling->periods;
        figures.throttled_periods = vm.throttling->throttled_periods;
        figures.throttled_ns = vm.throttling->throttled_ns;
    }
    if (has_stalls) figures.pressure = vm.stalls;
    return figures;
}

void CgroupFigures::renew_mounts(Clock::time_point now) {
    if (now < mounts_next_) return;
    mounts_next_ = now + effort_.search_again;
    mounts_ = read_cgroup_mounts(root_);
}

void CgroupFigures::search(Vm& vm, Clock::time_point now) {
    renew_mounts(now);
    vm.search_next = now + effort_.search_again;
    vm.was_searched = true;
    const auto text =
        read_file(root_.procfs + "/" + std::to_string(vm.process.pid) + "/cgroup", buffer_);
    const auto cgroups = text ? parse_process_cgroups(*text) : ProcessCgroups{};
    const auto unified = own_directories(mounts_.unified, cgroups.unified, vm.process.pid);
    const auto by_quota =
        mounts_.cpu ? own_directories(mounts_.cpu, cgroups.cpu, vm.process.pid) : unified;

    // What is known of a directory that is still there stays, so that nothing is counted twice.
    auto before = std::exchange(vm.quotas, {});
    for (const auto& directory : by_quota) {
        auto path = directory / "cpu.stat";
        const auto known = std::ranges::find(before, path, &File::path);
        if (known != before.end()) {
            vm.quotas.push_back(std::move(*known));
            before.erase(known);
        } else {
            vm.quotas.push_back({std::move(path), {}, {}, false});
        }
    }
    close(before);
    if (unified.empty()) {
        close(vm.pressure);
        vm.stalls = {};
    } else if (vm.pressure.empty() || vm.pressure.front().path.parent_path() != unified.front()) {
        close(vm.pressure);
        for (const auto* name : {"cpu.pressure", "memory.pressure", "io.pressure"})
            vm.pressure.push_back({unified.front() / name, {}, {}, false});
    }
    for (auto& file : vm.pressure)
        file.refused = false;
}

void CgroupFigures::read(Vm& vm, Clock::time_point now) {
    read_quotas(vm);
    read_pressure(vm);
    vm.read_at = now;
}

void CgroupFigures::read_quotas(Vm& vm) {
    for (auto& file : vm.quotas) {
        const bool was_open{file.fd};
        const auto text = read_text(file);
        if (!text && was_open) vm.search_next = {};  // the directory went, and the VM elsewhere
        const auto stat = text ? parse_cpu_stat(*text) : std::nullopt;
        if (!stat) continue;
        if (!vm.throttling) vm.throttling.emplace();
        add_growth(*vm.throttling, file.last, *stat);
        file.last = *stat;
    }
}

void CgroupFigures::read_pressure(Vm& vm) {
    using Stalled = std::optional<wire::Stall> wire::PressureExt::*;
    constexpr std::array<Stalled, 3> members{&wire::PressureExt::cpu, &wire::PressureExt::memory,
                                             &wire::PressureExt::io};
    for (std::size_t i = 0; i < vm.pressure.size(); ++i) {
        auto& file = vm.pressure[i];
        if (file.refused) continue;
        const auto stall = and_then(read_text(file), parse_pressure);
        // A kernel without PSI, or with it switched off here, has no file or refuses to read it.
        file.refused = !stall;
        vm.stalls.*members.at(i) = stall ? std::optional(*stall) : std::nullopt;
    }
}

Result<std::string_view> CgroupFigures::read_text(File& file) {
    if (!file.fd) {
        auto fd = open_to_read(file.path);
        if (!fd) return fd.error();
        if (open_ >= effort_.kept_open) return read_short(fd->get(), buffer_);
        ++open_;
        file.fd = std::move(*fd);
    }
    auto text = read_short(file.fd.get(), buffer_);
    if (!text) {
        file.fd.reset();
        --open_;
    }
    return text;
}

void CgroupFigures::close(std::vector<File>& files) {
    for (const auto& file : files) {
        if (file.fd) --open_;
    }
    files.clear();
}

}  // namespace virtpulse::agent
