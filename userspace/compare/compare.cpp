#include "userspace/compare/compare.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "userspace/inventory/domain_list.h"
#include "userspace/inventory/libvirt_watch.h"
#include "userspace/inventory/process_table.h"
#include "userspace/probe/ebpf_source.h"
#include "userspace/proc/clock.h"
#include "userspace/proc/proc_source.h"
#include "userspace/sample/own_cost.h"
#include "userspace/sample/sampler.h"
#include "userspace/sample/ticker.h"
#include "userspace/sample/vm_rates.h"

namespace virtpulse::agent {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

struct BlockSum {
    std::uint64_t reads = 0;
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
};

BlockSum sum_of(std::span<const wire::BlockCounters> blocks) {
    BlockSum sum;
    for (const auto& block : blocks) {
        sum.reads += block.read_ops.value_or(0);
        sum.writes += block.write_ops.value_or(0);
        sum.bytes += block.read_bytes.value_or(0) + block.write_bytes.value_or(0);
    }
    return sum;
}

struct BlockRates {
    double reads;
    double writes;
    double bytes;
};

// The growth of block counters a second. A device that a VM has not used has no counters: 0 then.
class BlockGrowth {
  public:
    std::optional<BlockRates> advance(const BlockSum& now, nanoseconds at) {
        const auto before = std::exchange(last_, Reading{now, at});
        if (!before || at <= before->at || now.bytes < before->sum.bytes) return std::nullopt;
        const double s = std::chrono::duration<double>(at - before->at).count();
        return BlockRates{static_cast<double>(now.reads - before->sum.reads) / s,
                          static_cast<double>(now.writes - before->sum.writes) / s,
                          static_cast<double>(now.bytes - before->sum.bytes) / s};
    }

  private:
    struct Reading {
        BlockSum sum;
        nanoseconds at;
    };
    std::optional<Reading> last_;
};

// One source, read at each tick, with the CPU time that it took.
class Way {
  public:
    explicit Way(VmSource& source) : source_(source) {}

    Result<std::vector<pid_t>> candidates() {
        const Meter meter(*this);
        return source_.candidates();
    }
    Result<void> read(std::span<const ProcessKey> processes) {
        const Meter meter(*this);
        if (const auto watched = source_.watch(processes); !watched) return watched;
        const auto now = steady_clock::now();
        if (const auto read = source_.read(report_); !read) return read;
        rates_.advance(report_.vms,
                       last_ ? std::optional<nanoseconds>(now - *last_) : std::nullopt);
        last_ = now;
        return {};
    }

    [[nodiscard]] std::optional<double> cpu(const ProcessKey& process) const {
        return rates_.cpu_percent(process, 1);
    }
    [[nodiscard]] std::optional<std::uint64_t> cpu_ns(const ProcessKey& process) const {
        const VmCounters* vm = counters(process);
        return vm != nullptr ? std::optional(vm->cpu_ns) : std::nullopt;
    }
    std::optional<BlockRates> block(const ProcessKey& process) {
        const VmCounters* vm = counters(process);
        if (vm == nullptr || !vm->block) return std::nullopt;
        return block_[process].advance(sum_of(*vm->block), last_->time_since_epoch());
    }
    double take_cost_us() { return static_cast<double>(std::exchange(cost_ns_, 0)) / 1e3; }

  private:
    class Meter {
      public:
        explicit Meter(Way& way) : way_(way), begin_ns_(OwnCost::thread_cpu_ns().value_or(0)) {}
        ~Meter() { way_.cost_ns_ += OwnCost::thread_cpu_ns().value_or(begin_ns_) - begin_ns_; }
        Meter(const Meter&) = delete;
        Meter& operator=(const Meter&) = delete;

      private:
        Way& way_;
        std::uint64_t begin_ns_;
    };

    [[nodiscard]] const VmCounters* counters(const ProcessKey& process) const {
        const auto vm = std::find_if(report_.vms.begin(), report_.vms.end(),
                                     [&](const auto& each) { return each.process == process; });
        return vm != report_.vms.end() ? &*vm : nullptr;
    }

    VmSource& source_;
    SourceReport report_;
    VmRates rates_;
    std::map<ProcessKey, BlockGrowth> block_;
    std::optional<steady_clock::time_point> last_;
    std::uint64_t cost_ns_ = 0;
};

// libvirt answers in its own time; its rates are of the time between two answers.
class LibvirtWay {
  public:
    struct Rates {
        std::optional<double> cpu;
        std::optional<BlockRates> block;
    };
    Rates advance(const Domain& domain, nanoseconds taken) {
        Vm& vm = vms_[*domain.process];
        if (vm.taken == taken) return vm.rates;
        Rates rates;
        if (domain.libvirt_cpu_ns && vm.cpu_ns && *domain.libvirt_cpu_ns >= *vm.cpu_ns) {
            rates.cpu = 100.0 * static_cast<double>(*domain.libvirt_cpu_ns - *vm.cpu_ns) /
                        static_cast<double>((taken - vm.taken).count());
        }
        rates.block = vm.block.advance(sum_of(domain.libvirt_block), taken);
        vm.cpu_ns = domain.libvirt_cpu_ns;
        vm.taken = taken;
        vm.rates = rates;
        return rates;
    }

  private:
    struct Vm {
        std::optional<std::uint64_t> cpu_ns;
        nanoseconds taken{};
        BlockGrowth block;
        Rates rates;
    };
    std::map<ProcessKey, Vm> vms_;
};

class Comparer {
  public:
    Comparer(const Options& options, VmSource& ebpf, VmSource& proc, const LibvirtWatch* libvirt)
        : ebpf_(ebpf),
          proc_(proc),
          libvirt_(libvirt),
          processes_(options.root),
          domains_(read_machine_id().value_or(options.name)) {}

    Result<Comparison> compare() {
        std::vector<pid_t> candidates;
        for (Way* way : {&ebpf_, &proc_}) {
            const auto found = way->candidates();
            if (!found) return found.error();
            candidates.insert(candidates.end(), found->begin(), found->end());
        }
        processes_.update(candidates);
        std::vector<ProcessKey> running;
        for (const auto& process : processes_.processes())
            running.push_back(process.key);
        for (Way* way : {&ebpf_, &proc_}) {
            if (const auto read = way->read(running); !read) return read.error();
        }
        LibvirtWatch::Answer libvirt;
        if (libvirt_ != nullptr) libvirt = libvirt_->answer();
        const auto& snapshot = libvirt.snapshot;
        Comparison result;
        const auto now = since_boot();
        for (const auto& domain : domains_.merge(processes_.processes(), snapshot.get(), now)) {
            if (!domain.process) continue;
            result.vms.push_back(compare_vm(domain, snapshot.get()));
        }
        result.ebpf_cost_us = ebpf_.take_cost_us();
        result.proc_cost_us = proc_.take_cost_us();
        if (libvirt_ != nullptr) {
            result.libvirt_missing = std::move(libvirt.problem);
            result.libvirt_cost_us = take_other_threads_us();
        }
        return result;
    }

  private:
    ComparedVm compare_vm(const Domain& domain, const LibvirtSnapshot* snapshot) {
        ComparedVm vm;
        vm.name = domain.name;
        vm.ebpf_cpu = ebpf_.cpu(*domain.process);
        vm.proc_cpu = proc_.cpu(*domain.process);
        vm.ebpf_cpu_ns = ebpf_.cpu_ns(*domain.process);
        vm.proc_cpu_ns = proc_.cpu_ns(*domain.process);
        vm.libvirt_cpu_ns = domain.libvirt_cpu_ns;
        if (const auto block = ebpf_.block(*domain.process)) {
            vm.ebpf_reads = block->reads;
            vm.ebpf_writes = block->writes;
            vm.ebpf_bytes = block->bytes;
        }
        if (snapshot != nullptr && domain.libvirt_cpu_ns) {
            const auto rates = libvirt_rates_.advance(domain, snapshot->taken_since_boot);
            vm.libvirt_cpu = rates.cpu;
            if (rates.block) {
                vm.libvirt_reads = rates.block->reads;
                vm.libvirt_writes = rates.block->writes;
                vm.libvirt_bytes = rates.block->bytes;
            }
        }
        return vm;
    }

    // All threads but this one are libvirt's.
    std::optional<double> take_other_threads_us() {
        const auto all = OwnCost::cpu_ns();
        const auto own = OwnCost::thread_cpu_ns();
        if (!all || !own || *all < *own) return std::nullopt;
        const auto before = std::exchange(others_ns_, *all - *own);
        if (!before || *others_ns_ < *before) return std::nullopt;
        return static_cast<double>(*others_ns_ - *before) / 1e3;
    }

    Way ebpf_;
    Way proc_;
    const LibvirtWatch* libvirt_;
    LibvirtWay libvirt_rates_;
    ProcessTable processes_;
    DomainList domains_;
    std::optional<std::uint64_t> others_ns_;
};

}  // namespace

Result<void> compare_sources(const Options& options, std::ostream& out) {
    auto ticker = Ticker::make(options.interval);
    if (!ticker) return ticker.error();
    auto ebpf = make_ebpf_source(options.root, {.without = options.without});
    if (!ebpf) return ebpf.error().within("cannot compare: no eBPF here");
    auto proc = ProcSource::make(options.root);
    if (!proc) return proc.error();
    std::optional<LibvirtWatch> libvirt;
    if (!options.libvirt_uri.empty()) libvirt.emplace(options.libvirt_uri);
    Comparer comparer(options, **ebpf, **proc, libvirt ? &*libvirt : nullptr);
    if (const auto base = comparer.compare(); !base) return base.error();
    for (std::uint64_t done = 0; !options.count || done < *options.count; ++done) {
        if (ticker->wait() != Ticker::Event::tick) break;
        const auto comparison = comparer.compare();
        if (!comparison) return comparison.error();
        out << (options.compare_as_json ? comparison_as_json(*comparison)
                                        : comparison_as_table(*comparison));
        out.flush();
        if (!out.good()) break;  // nobody reads it any more
    }
    return {};
}

}  // namespace virtpulse::agent
