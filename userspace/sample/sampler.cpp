#include "userspace/sample/sampler.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "userspace/proc/clock.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

std::uint64_t epoch_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

std::uint64_t count_ns(steady_clock::duration duration) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<nanoseconds>(duration).count());
}

// Half of the files that may be open are for threads (see ProcSource), some for each VM's process.
CgroupEffort cgroup_effort() {
    CgroupEffort effort;
    effort.kept_open = std::min(effort.kept_open, raise_open_file_limit() / 4);
    return effort;
}

}  // namespace

std::optional<std::string> read_machine_id() {
    std::string buffer;
    const auto text = read_file("/etc/machine-id", buffer);
    if (!text || trim(*text).empty()) return std::nullopt;
    return std::string(trim(*text));
}

Sampler::Sampler(const Options& options, VmSource& source, const LibvirtWatch* libvirt,
                 std::optional<std::string> machine_id)
    : options_(options),
      source_(source),
      libvirt_(libvirt),
      host_(options.root),
      cost_(options.root),
      processes_(options.root),
      cgroups_(options.root, cgroup_effort()),
      machine_id_(std::move(machine_id)),
      domains_(machine_id_.value_or(options.name)),
      boot_ns_(epoch_ns()) {}

wire::Frame& Sampler::sample() {
    const auto begin = steady_clock::now();
    frame_.host = {};
    wire::Host& host = frame_.host;
    host.name = options_.name;
    host.time = std::chrono::duration<double>(system_clock::now().time_since_epoch()).count();
    auto& ext = host.ext.emplace();
    ext.id = machine_id_;
    ext.boot = boot_ns_;
    ext.interval_ms = static_cast<std::uint64_t>(options_.interval.count());
    ext.source = std::string(source_.name());
    ext.sample = samples_++;

    host_.sample(host, begin);
    missing_.clear();
    find_processes();
    read_counters();
    cgroups_.sample(watched_, begin);

    LibvirtWatch::Answer libvirt;
    if (libvirt_ != nullptr) libvirt = libvirt_->answer(begin);
    if (libvirt.problem) missing_["libvirt"] = std::move(*libvirt.problem);
    const auto& domains =
        domains_.merge(processes_.processes(), libvirt.snapshot.get(), since_boot());
    frame_.vms.resize(domains.size());  // what is there already is written over
    running_.clear();
    for (std::size_t i = 0; i < domains.size(); ++i) {
        say(domains[i], begin, frame_.vms[i]);
        if (domains[i].process) running_.emplace_back(*domains[i].process, &frame_.vms[i]);
    }
    std::ranges::sort(running_);
    name_culprits();
    ext.missing.merge(missing_);

    auto& self = ext.self.emplace();
    self.cpu_ns = OwnCost::cpu_ns();
    self.rss_bytes = cost_.rss_bytes();
    self.update_failures = report_.update_failures;
    self.lost_completions = report_.lost_completions;
    self.lost_issues = report_.lost_issues;
    self.recursion_misses = report_.recursion_misses;
    self.programs = report_.programs;
    self.maps = report_.maps;
    self.sample_ns = count_ns(steady_clock::now() - begin);
    return frame_;
}

void Sampler::find_processes() {
    if (const auto candidates = source_.candidates()) {
        processes_.update(*candidates, source_.candidates_live());
    } else {
        missing_["processes"] = candidates.error().message;
    }
    std::vector<ProcessKey> running;
    for (const auto& process : processes_.processes())
        running.push_back(process.key);
    if (running == watched_) return;
    if (const auto watching = source_.watch(running); !watching) {
        missing_["vms"] = watching.error().message;
        return;  // tried again at the next sample
    }
    watched_ = std::move(running);
}

void Sampler::read_counters() {
    const auto now = steady_clock::now();
    const auto read = source_.read(report_);
    counters_.clear();
    if (!read) {
        // The rates then span two intervals at the next one: `last_` stays.
        missing_["vms"] = read.error().message;
        report_ = {};
        return;
    }
    for (const auto& [what, why] : report_.missing)
        missing_[what] = why;
    for (auto& vm : report_.vms)
        counters_.emplace_back(vm.process, &vm);
    std::ranges::sort(counters_);
    rates_.advance(report_.vms, last_ ? std::optional<nanoseconds>(now - *last_) : std::nullopt);
    last_ = now;
}

// Null where there is none.
template <class Value>
Value Sampler::find(const ByKey<Value>& rows, const ProcessKey& process) {
    const auto at =
        std::ranges::lower_bound(rows, process, {}, [](const auto& row) { return row.first; });
    return at != rows.end() && at->first == process ? at->second : nullptr;
}

// Of a VM that waited the source knows which processes had the CPU or the disk; here they have
// names.
void Sampler::name_culprits() {
    for (auto& figures : report_.vms) {
        const bool waited = figures.wait && !figures.wait->culprits.empty();
        if (!waited && figures.block_ahead.empty()) continue;
        wire::Vm* const victim = find(running_, figures.process);
        if (victim == nullptr) continue;
        if (waited) name_waits(figures.wait->culprits, *victim->ext->wait);
        for (const auto& culprit : figures.block_ahead)
            name_block(culprit, *victim->ext->block);
    }
}

void Sampler::name_waits(std::vector<WaitCulprit>& culprits, wire::WaitExt& wait) const {
    for (auto& [culprit, pid] : culprits) {
        auto& named = wait.culprits.emplace_back(std::move(culprit));
        if (pid == 0) continue;
        const auto key = static_cast<pid_t>(pid);
        const auto vm = std::ranges::lower_bound(running_, key, {},
                                                 [](const auto& row) { return row.first.pid; });
        const bool is_known = vm != running_.end() && vm->first.pid == key;
        named.name = is_known ? vm->second->name : "pid " + std::to_string(pid);
    }
}

void Sampler::name_block(const BlockCulprit& culprit,
                         std::vector<wire::BlockCounters>& blocks) const {
    const auto block = std::ranges::find(blocks, culprit.device, &wire::BlockCounters::device);
    if (block == blocks.end()) return;
    std::string who = "others";
    if (culprit.kind == BlockCulprit::Kind::host) {
        who = "host";
    } else if (culprit.kind == BlockCulprit::Kind::nobody) {
        who = "nobody";
    } else if (culprit.kind == BlockCulprit::Kind::vm) {
        if (const wire::Vm* vm = find(running_, culprit.process)) who = vm->uuid;
    }
    // VMs that are gone are others too, which may be there already.
    const auto known = std::ranges::find(block->ahead, who, &wire::BlockAhead::who);
    if (known != block->ahead.end()) {
        known->ns += culprit.ns;
    } else {
        block->ahead.push_back({std::move(who), culprit.ns});
    }
}

// Says all of `vm` anew; what memory its lists have serves again. Takes the figures of block and
// KVM out of the report.
void Sampler::say(const Domain& domain, steady_clock::time_point now, wire::Vm& vm) const {
    vm.name = domain.name;
    vm.uuid = domain.uuid;
    vm.state = domain.state;
    vm.ram = domain.ram_kib;
    vm.maxram = domain.max_ram_kib;
    vm.cpu.reset();
    VmCounters* const counters = domain.process ? find(counters_, *domain.process) : nullptr;
    if (!vm.ext || counters == nullptr) vm.ext.emplace();  // nothing of before stays
    auto& ext = *vm.ext;
    ext.vcpus = domain.vcpus;
    if (!domain.process) {
        // What does not run uses none. One that libvirt sees run and we do not: unknown.
        const bool runs =
            vm.state != wire::DomainState::shut_off && vm.state != wire::DomainState::crashed;
        if (!runs) vm.cpu = 0;
        return;
    }
    ext.pid = static_cast<std::uint64_t>(domain.process->pid);
    ext.start = domain.start_ns;
    ext.rss_bytes = domain.rss_bytes;
    ext.major_faults = domain.major_faults;
    ext.cgroup = cgroups_.figures(*domain.process, now);
    if (counters == nullptr) return;
    vm.cpu = rates_.cpu_percent(*domain.process, domain.vcpus.value_or(1));
    VmCounters& figures = *counters;
    ext.since = figures.since_ns;
    ext.threads = figures.threads;
    ext.cpu_ns = figures.cpu_ns;
    ext.run_delay_ns = figures.run_delay_ns;
    ext.switches = figures.switches;
    ext.block = std::move(figures.block);
    ext.kvm = std::move(figures.kvm);
    ext.role = figures.role;
    ext.vcpu = figures.vcpu;
    ext.smt_shared_vcpus_sampled = figures.smt_shared_vcpus_sampled;
    if (figures.wait) {
        ext.wait = figures.wait->wait;
    } else {
        ext.wait.reset();
    }
    if (figures.moves) {
        ext.cpu_moves = figures.moves->cpu;
        ext.node_moves = figures.moves->node;
    } else {
        ext.cpu_moves.reset();
        ext.node_moves.reset();
    }
    // /proc knows bytes alone; what libvirt knows of each disk is more, where it is there.
    if (source_.name() == "proc" && !domain.libvirt_block.empty()) {
        if (!ext.block) ext.block.emplace();
        ext.block->insert(ext.block->end(), domain.libvirt_block.begin(),
                          domain.libvirt_block.end());
    }
}

}  // namespace virtpulse::agent
