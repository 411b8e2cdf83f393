#include "userspace/probe/ebpf_source.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/text.h"
#include "userspace/probe/block_report.h"
#include "userspace/probe/bring_up.h"
#include "userspace/probe/facts.h"
#include "userspace/probe/fold.h"
#include "userspace/probe/kvm_report.h"
#include "userspace/probe/reconciler.h"
#include "userspace/probe/running_threads.h"
#include "userspace/probe/vcpu_figures.h"
#include "userspace/probe/vm_index.h"
#include "userspace/probe/wait_report.h"
#include "userspace/probe/watched_vms.h"
#include "userspace/proc/clock.h"
#include "userspace/proc/file.h"
#include "userspace/proc/hypervisor_search.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

// Searching /proc finds what the kernel side cannot have seen begin: processes before the agent,
// and those under another name whose command line begins with a hypervisor's. Sooner, but not at
// once, where a process found no room or its beginning was not seen.
constexpr auto search_every = 30s;
constexpr auto search_again_after = 5s;
// Requests whose end was not seen are looked for once a second while any seem to be at a device,
// which then looks busy; else now and then, for those that were queued and never issued.
constexpr auto expire_every = 10s;
constexpr auto expire_every_in_flight = 1s;
// Rows of ended VMs stay this long, for the samples that still look at them.
constexpr std::uint64_t forget_ended_after_ns = 10'000'000'000;

std::uint64_t boot_clock_ns() {
    return static_cast<std::uint64_t>(since_boot().count());
}

class EbpfSource final : public VmSource {
  public:
    EbpfSource(Root root, KernelSide side, HypervisorSearch search,
               std::optional<PinDirectory> pins, bool measure_programs)
        : root_(std::move(root)),
          pins_(std::move(pins)),
          probe_(std::move(side.probe)),
          search_(std::move(search)),
          late_kvm_(root_),
          siblings_(read_cpu_siblings(root_)),
          has_kvm_(side.plan.loads("vp_kvm_entry")),
          missing_(std::move(side.plan.missing)),
          measure_programs_(measure_programs),
          boot_to_epoch_ns_(side.boot_to_epoch_ns),
          watched_(root_),
          running_(root_),
          reconciler_(root_),
          waits_(probe_.room_of("culprits")),
          block_(root_) {}

    [[nodiscard]] std::string_view name() const override { return "ebpf"; }

    Result<std::vector<pid_t>> candidates() override;
    [[nodiscard]] bool candidates_live() const override { return !searched_; }
    Result<void> watch(std::span<const ProcessKey> processes) override;
    Result<void> read(SourceReport& report) override;

  private:
    void report_vms(SourceReport& report, std::span<const VmUse> uses, bool are_waits_read);
    void report_block(SourceReport& report);
    void report_failures(SourceReport& report);
    bool read_pairs(SourceReport& report);
    void search_if_grown(std::optional<std::uint64_t>& count, std::uint64_t now);
    void heal(std::span<const VmUse> uses);
    bool read_waits(SourceReport& report, std::span<const VmUse> uses);
    void report_own_cost(SourceReport& report, std::span<const VmUse> uses);
    void report_vcpus();
    Result<void> adopt_late_threads();
    Result<std::span<const VmUse>> read_uses();
    Result<void> housekeeping();

    Root root_;
    std::optional<PinDirectory> pins_;
    KernelProbe probe_;
    HypervisorSearch search_;
    LateKvm late_kvm_;
    CpuSiblings siblings_;
    bool has_kvm_;
    std::map<std::string, std::string> missing_;  // for as long as this agent runs
    std::string expiry_problem_;                  // of the last time
    bool measure_programs_;
    std::uint64_t boot_to_epoch_ns_;
    WatchedVms watched_;
    RunningThreads running_;
    Reconciler reconciler_;
    std::string healing_problem_;  // of the last time
    Fold fold_;
    std::vector<VmCounters*> by_vm_;  // those of the report, as in what fold_ gave; may be null
    VcpuFigures vcpus_;
    std::string buffer_;
    std::vector<VmRow> vm_rows_;
    bool vms_are_read_ = false;  // for the sample that has begun
    WaitReport waits_;
    BlockReport block_;
    KvmReport kvm_;
    std::size_t watched_rows_ = 0;  // of `vms`, in this sample
    steady_clock::time_point next_search_{};
    steady_clock::time_point last_search_{};
    std::optional<std::uint64_t> without_room_;  // processes, by the kernel side's count
    std::optional<std::uint64_t> missed_births_;
    steady_clock::time_point last_expiry_ = steady_clock::now();
    bool searched_ = false;  // for the newest candidates: /proc lists the dead too
    bool adopt_due_ = true;
};

Result<std::vector<pid_t>> EbpfSource::candidates() {
    std::vector<pid_t> pids;
    const auto now = steady_clock::now();
    searched_ = now >= next_search_;
    if (searched_) {
        next_search_ = now + search_every;
        last_search_ = now;
        adopt_due_ = true;  // kernel threads that work for VMs are not seen to begin
        auto found = search_.search();
        if (!found) return found.error();
        pids = std::move(*found);
        if (const auto renewed = watched_.renew_cgroups(probe_); !renewed) return renewed.error();
    }
    if (const auto read = probe_.read_vms(vm_rows_); !read) return read.error();
    vms_are_read_ = true;
    vp_unconfirmed unconfirmed{};
    for (const auto& row : vm_rows_) {
        if (row.vm.ended_ns == 0) pids.push_back(static_cast<pid_t>(row.tgid));
        if (row.vm.confirmed != 0) continue;
        ++unconfirmed.vms;
        unconfirmed.threads += static_cast<std::int32_t>(row.vm.threads);
    }
    if (searched_) {  // now and then, so that what went past the count does not add up
        if (const auto set = probe_.set_unconfirmed(unconfirmed); !set) return set.error();
    }
    std::ranges::sort(pids);
    pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
    return pids;
}

Result<void> EbpfSource::watch(std::span<const ProcessKey> processes) {
    vms_are_read_ = false;  // what is begun here, and adoption, changes them
    const auto begun = watched_.watch(probe_, processes);
    const auto done = housekeeping();  // also for those that could be begun
    return begun ? done : begun;
}

Result<void> EbpfSource::housekeeping() {
    if (watched_.take_found_running()) adopt_due_ = true;
    if (std::exchange(adopt_due_, false)) {
        if (const auto adopted = probe_.adopt_threads(); !adopted) return adopted;
    }
    const auto every = block_.any_in_flight() ? expire_every_in_flight : expire_every;
    if (const auto now = steady_clock::now(); now >= last_expiry_ + every) {
        last_expiry_ = now;
        if (missing_.contains("block")) return {};
        const auto expired = probe_.expire_requests();
        expiry_problem_ = expired ? std::string() : expired.error().message;
    }
    return {};
}

// Threads that the kernel made since the last reading are to be in this one.
Result<void> EbpfSource::adopt_late_threads() {
    if (!watched_.note_unadopted(vm_rows_)) return {};
    if (const auto adopted = probe_.adopt_threads(); !adopted) return adopted;
    return probe_.read_vms(vm_rows_);  // adoption can change what is to be taken off
}

// What candidates() read shortly before is taken again, unless a thread has ended since: it would
// be missing from the sample.
Result<std::span<const VmUse>> EbpfSource::read_uses() {
    const auto ask_running = [this](const RunningThread& thread) {
        return running_.run_ns(thread);
    };
    if (std::exchange(vms_are_read_, false)) {
        if (const auto adopted = adopt_late_threads(); !adopted) return adopted.error();
        const auto uses = fold_.fold(vm_rows_, probe_.threads(), ask_running);
        const auto is_whole = [](const VmUse& use) { return use.threads == use.vm.threads; };
        // A change of the VMs is told once.
        if (fold_.vms_changed() || std::ranges::all_of(uses, is_whole)) return uses;
    }
    if (const auto read = probe_.read_vms(vm_rows_); !read) return read.error();
    if (const auto adopted = adopt_late_threads(); !adopted) return adopted.error();
    return fold_.fold(vm_rows_, probe_.threads(), ask_running);
}

Result<void> EbpfSource::read(SourceReport& report) {
    std::vector<VmCounters> vms = std::move(report.vms);
    report = {};
    report.vms = std::move(vms);  // what is there already is written over
    report.missing = missing_;
    if (!expiry_problem_.empty()) report.missing.emplace("block_expiry", expiry_problem_);
    if (!healing_problem_.empty()) report.missing.emplace("vms", healing_problem_);
    if (auto late = late_kvm_.noticed()) report.missing.emplace("kvm", std::move(*late));
    const bool are_pairs_read = read_pairs(report);
    const auto uses = read_uses();
    if (!uses) return uses.error();
    const bool are_waits_read = are_pairs_read && read_waits(report, *uses);
    report_vms(report, *uses, are_waits_read);
    report_block(report);
    if (has_kvm_) kvm_.read(probe_, VmIndex(fold_, by_vm_), report.vms);
    report_vcpus();
    report_own_cost(report, *uses);
    report_failures(report);
    heal(*uses);
    return housekeeping();
}

// What is wrong in the maps is put right for the next sample.
void EbpfSource::heal(std::span<const VmUse> uses) {
    healing_problem_.clear();
    if (watched_rows_ < watched_.size()) {
        const auto renewed = watched_.renew_rows(probe_, vm_rows_);
        if (!renewed) healing_problem_ = renewed.error().message;
    }
    for (const auto& repair :
         reconciler_.look(uses, fold_.places(), probe_.threads(), steady_clock::now())) {
        spdlog::info("process {}: {}{} of {} records of threads had no thread, {} were counted",
                     repair.tgid, repair.is_gone ? "it has ended unseen; " : "", repair.lost.size(),
                     repair.threads_found, repair.threads_told);
        if (const auto done = apply(probe_, repair); !done) {
            healing_problem_ = done.error().message;
        }
    }
    if (!searched_) return;  // now and then
    const auto has_row = [&](std::uint32_t tgid) {
        return fold_.place_of_vm(tgid) || probe_.has_vm(tgid);
    };
    for (const auto& orphan : reconciler_.find_orphans(probe_.threads(), has_row)) {
        if (const auto done = probe_.retire_lost(orphan); !done) {
            healing_problem_ = done.error().message;
        }
    }
}

// Of each watched VM all that its own record and those of its threads say.
void EbpfSource::report_vms(SourceReport& report, std::span<const VmUse> uses,
                            bool are_waits_read) {
    const bool has_waits = are_waits_read && !missing_.contains("waits");
    by_vm_.assign(uses.size(), nullptr);
    report.vms.resize(uses.size());  // they stay where they are
    std::size_t count = 0;
    watched_rows_ = 0;
    const std::uint64_t now = boot_clock_ns();
    for (std::size_t i = 0; i < uses.size(); ++i) {
        const VmUse& vm = uses[i];
        if (vm.vm.ended_ns != 0 && now > vm.vm.ended_ns + forget_ended_after_ns) {
            probe_.remove_vm(vm.tgid);
        }
        const ProcessKey key{static_cast<pid_t>(vm.tgid), ns_to_ticks(vm.vm.start_ns)};
        WatchedVm* const watched = watched_.find(key);
        if (watched == nullptr) continue;
        ++watched_rows_;
        if (vm.vm.ended_ns != 0) continue;
        ThreadUse& highest = watched->highest;
        highest.run_ns = std::max(highest.run_ns, vm.use.run_ns);
        highest.run_delay_ns = std::max(highest.run_delay_ns, vm.use.run_delay_ns);
        highest.switches = std::max(highest.switches, vm.use.switches);
        auto& role_ns = watched->highest_role_ns;
        std::ranges::transform(role_ns, vm.role_ns, role_ns.begin(), std::ranges::max);
        VmCounters& counters = report.vms[count++];
        by_vm_[i] = &counters;
        counters.process = key;
        counters.since_ns = boot_to_epoch_ns_ + vm.vm.since_ns;
        counters.since_birth = vm.vm.since_ns == vm.vm.start_ns;
        counters.cpu_ns = highest.run_ns;
        counters.run_delay_ns = highest.run_delay_ns;
        counters.switches = highest.switches;
        counters.threads = vm.threads;
        counters.role = wire::RoleExt{role_ns[VP_ROLE_VCPU], role_ns[VP_ROLE_EMULATOR],
                                      role_ns[VP_ROLE_IO], role_ns[VP_ROLE_VHOST]};
        counters.moves.reset();
        if (are_waits_read) {
            const auto& waited = watched->waits.advance(waits_.waits(i));
            counters.moves = {waited.moves, waited.node_moves};
        }
        if (has_waits) {
            if (!counters.wait) counters.wait.emplace();
            watched->waits.report(waits_.culprits_of(vm.tgid), *counters.wait);
        } else {
            counters.wait.reset();
        }
        // Those that had any get theirs below.
        counters.block.reset();
        counters.block_ahead.clear();
        counters.kvm.reset();
    }
    report.vms.resize(count);
}

void EbpfSource::report_failures(SourceReport& report) {
    if (const auto failures = probe_.read_failures()) {
        report.update_failures =
            failures->threads_full + failures->vms_full + failures->storage_refused +
            failures->waits_full + failures->culprits_full + failures->block_full +
            failures->requests_full + failures->busy_contended + failures->devices_full +
            failures->vcpus_full + failures->unconfirmed_full;
        report.lost_completions = failures->lost_completions;
        report.lost_issues = failures->lost_issues;
        waits_.note_full(failures->culprits_full);
        search_if_grown(without_room_, failures->vms_full + failures->unconfirmed_full);
    }
}

// Whether they could be read: before the threads are, see WaitReport.
bool EbpfSource::read_pairs(SourceReport& report) {
    const auto read = waits_.read_pairs(probe_, vm_rows_);
    if (!read) report.missing.emplace("waits", read.error().message);
    return read.has_value();
}

// Among the processes that found no room, or whose beginning was kept from our programs, there may
// be VMs, which the search finds.
void EbpfSource::search_if_grown(std::optional<std::uint64_t>& count, std::uint64_t now) {
    const auto before = std::exchange(count, now);
    if (!before || *before == now) return;
    next_search_ = std::min(next_search_, last_search_ + search_again_after);
}

// Whether they could be read. Also where they are not reported, as their maps fill all the same.
bool EbpfSource::read_waits(SourceReport& report, std::span<const VmUse> uses) {
    const auto read = waits_.read(probe_, fold_, uses);
    if (!read) report.missing.emplace("waits", read.error().message);
    return read.has_value();
}

// Of the maps that are read whole anyway.
void EbpfSource::report_own_cost(SourceReport& report, std::span<const VmUse> uses) {
    auto use = probe_.program_use();
    if (measure_programs_) report.programs = std::move(use.costs);
    report.recursion_misses = use.recursion_misses;
    search_if_grown(missed_births_, use.missed_births);
    std::uint64_t threads = 0;
    for (const auto& vm : uses)
        threads += vm.threads;
    const auto add = [&](const char* map, std::uint64_t used) {
        report.maps.push_back({map, used, probe_.room_of(map)});
    };
    add("vms", vm_rows_.size());
    add("threads", threads);
    add("culprits", waits_.culprit_rows());
    add("vm_block", block_.rows());
    if (has_kvm_) add("vcpus", kvm_.records());
}

void EbpfSource::report_block(SourceReport& report) {
    if (missing_.contains("block")) return;
    const auto read = block_.read(probe_, VmIndex(fold_, by_vm_), report.vms);
    if (!read) report.missing["block"] = read.error().message;
}

void EbpfSource::report_vcpus() {
    const auto vcpus = vcpus_.advance(
        fold_.vcpus(), by_vm_.size(), probe_.threads(), probe_.waits(),
        [this](std::uint32_t tgid, std::uint32_t tid) -> std::optional<std::uint64_t> {
            const auto comm = read_short_file(task_file(root_, tgid, tid, "comm"), buffer_);
            return comm ? vcpu_number(trim(*comm)) : std::nullopt;
        });
    const bool has_waits = !missing_.contains("waits");
    const auto on_shared_cores = count_on_shared_cores(vcpus.ran, siblings_);
    for (std::size_t i = 0; i < by_vm_.size(); ++i) {
        if (by_vm_[i] == nullptr) continue;
        VmCounters& vm = *by_vm_[i];
        vm.vcpu = vcpus.by_vm[i];
        if (!has_waits) {
            for (auto& vcpu : vm.vcpu) {
                vcpu.wait_p50_ns.reset();
                vcpu.wait_p99_ns.reset();
            }
        }
        if (siblings_.empty()) continue;
        const auto count = on_shared_cores.find(static_cast<std::uint32_t>(vm.process.pid));
        vm.smt_shared_vcpus_sampled = count == on_shared_cores.end() ? 0 : count->second;
    }
}

}  // namespace

Result<std::unique_ptr<VmSource>> make_ebpf_source(const Root& root, const EbpfSettings& settings) {
    quiet_libbpf();
    auto plan = plan_programs(gather_kernel_facts(root));
    if (plan.refusal) return Error{*plan.refusal};
    for (const auto& name : settings.without)
        plan = without_figures(std::move(plan), name);
    std::optional<PinDirectory> pins;
    if (settings.pinning == Pinning::shared) {
        auto acquired = PinDirectory::acquire(root);
        if (!acquired) return acquired.error();
        pins = std::move(*acquired);
        if (!pins) {
            spdlog::info("another agent keeps the pinned counters: counting for ourselves");
        }
    }
    auto side = bring_up(root, std::move(plan), pins ? &*pins : nullptr, settings.most_culprits);
    if (!side) return side.error();
    if (settings.measure_programs) {
        if (const auto done = side->probe.measure_programs(); !done) return done.error();
    }
    std::string loaded;
    for (const auto& program : side->plan.programs)
        loaded += " " + program;
    spdlog::debug("programs loaded:{}", loaded);
    auto search = HypervisorSearch::make(root);
    if (!search) return search.error();
    return std::make_unique<EbpfSource>(root, std::move(*side), std::move(*search), std::move(pins),
                                        settings.measure_programs);
}

}  // namespace virtpulse::agent
