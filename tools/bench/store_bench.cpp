// bench-store: what storing costs. Writes the samples of a made-up grid to a database, as fast as
// they can be written, and prints rows a second, CPU, and bytes for each sample of a VM.
//
//     bench-store FILE [HOSTS [VMS [SECONDS [INTERVAL_S]]]]
//
// FILE is made anew. A longer interval makes a long time fast: a week at 60 s is 10080 samples.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <vector>

#include "collector/clock.h"
#include "collector/store/schema.h"
#include "collector/store/writer.h"

namespace {

using namespace virtpulse;
using namespace virtpulse::collector;

constexpr std::size_t rows_in_a_transaction = 5000;

double cpu_s() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto s = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return s(usage.ru_utime) + s(usage.ru_stime);
}

struct Plan {
    std::string file;
    std::size_t hosts = 1000;
    std::size_t vms = 50;
    std::size_t seconds = 60;
    std::size_t interval_s = 1;
};

// Frames whose figures move as real ones do: most VMs idle, some busy.
class Grid {
  public:
    explicit Grid(const Plan& plan) {
        for (std::size_t h = 0; h < plan.hosts; ++h) {
            Arrival arrival;
            auto& host = arrival.frame.host;
            host.name = "host" + std::to_string(h);
            host.cputemp = 45;
            auto& ext = host.ext.emplace();
            ext.id = "0123456789abcdef0123456789abcdef";
            ext.boot = 1'700'000'000'000'000'000;
            ext.interval_ms = 1000 * plan.interval_s;
            ext.source = "ebpf";
            ext.cpus = 64;
            ext.mem_total_bytes = std::uint64_t{512} << 30;
            ext.self.emplace().cpu_ns = 0;
            for (std::size_t v = 0; v < plan.vms; ++v)
                arrival.frame.vms.push_back(make_vm(h, v));
            arrivals_.push_back(std::move(arrival));
        }
    }

    const Arrival& sample(std::size_t h, std::int64_t received_ms, std::size_t interval_s) {
        auto& arrival = arrivals_[h];
        arrival.received_ms = received_ms;
        auto& host = arrival.frame.host;
        host.time = static_cast<double>(received_ms - 3) / 1000;
        host.cpu = percent_(random_);
        host.ram = percent_(random_);
        host.disk = percent_(random_);
        host.ext->sample = host.ext->sample.value_or(0) + 1;
        *host.ext->self->cpu_ns += 2'000'000 * interval_s;
        for (std::size_t v = 0; v < arrival.frame.vms.size(); ++v) {
            auto& vm = arrival.frame.vms[v];
            const bool busy = v % 5 == 0;
            const auto used = busy ? percent_(random_) : 0.01 * percent_(random_);
            vm.cpu = used / 2;
            *vm.ext->cpu_ns += static_cast<std::uint64_t>(used * 1e7) * interval_s;
            *vm.ext->run_delay_ns += static_cast<std::uint64_t>(used * 1e4) * interval_s;
            *vm.ext->switches += (busy ? 900 : 40) * interval_s;
            *vm.ext->major_faults += busy ? interval_s : 0;
            vm.ext->wait->by_ns.back() += static_cast<std::uint64_t>(used * 1e3) * interval_s;
            vm.ext->wait->p99_ns = static_cast<std::uint64_t>(used * 1e3);
            *vm.ext->kvm->exits += (busy ? 20'000 : 500) * interval_s;
            *vm.ext->kvm->halt_poll_ns += (busy ? 1'000'000 : 10'000) * interval_s;
            vm.ext->cgroup->pressure->io->some_us += (busy ? 100'000 : 0) * interval_s;
            if (!busy) continue;
            auto& block = vm.ext->block->front();
            *block.read_ops += 10 * interval_s;
            *block.read_bytes += 40960 * interval_s;
            *block.write_ops += 25 * interval_s;
            *block.write_bytes += 204800 * interval_s;
            *block.busy_ns += 3'000'000 * interval_s;
            *block.read_queue_ns += 100'000 * interval_s;
            *block.read_device_ns += 900'000 * interval_s;
            *block.write_queue_ns += 200'000 * interval_s;
            *block.write_device_ns += 1'800'000 * interval_s;
            block.read_p99_ns = block.write_p99_ns = static_cast<std::uint64_t>(used * 1e4);
        }
        return arrival;
    }

  private:
    static wire::Vm make_vm(std::size_t h, std::size_t v) {
        wire::Vm vm;
        vm.name = "guest" + std::to_string(v);
        char uuid[64];
        (void)std::snprintf(uuid, sizeof uuid, "%08zx-0000-4000-8000-%012zx", h, v);
        vm.uuid = uuid;
        vm.state = wire::DomainState::running;
        vm.ram = 4 << 20;
        vm.maxram = 4 << 20;
        auto& ext = vm.ext.emplace();
        ext.pid = 1000 + v;
        ext.start = 1'000'000'000 + v;
        ext.since = 1'700'000'000'000'000'000;
        ext.vcpus = 2;
        ext.threads = 6;
        ext.cpu_ns = 1'000'000'000'000;
        ext.run_delay_ns = 1'000'000'000;
        ext.switches = 100'000'000;
        ext.rss_bytes = std::uint64_t{4} << 30;
        auto& block = ext.block.emplace().emplace_back();
        block.device = "nvme0n1";
        block.read_ops = block.write_ops = 1'000'000;
        block.read_bytes = block.write_bytes = std::uint64_t{40} << 30;
        block.flush_ops = block.discard_ops = 0;
        block.busy_ns = 1'000'000'000'000;
        block.in_flight = 0;
        block.read_queue_ns = block.read_device_ns = 1'000'000'000;
        block.write_queue_ns = block.write_device_ns = 1'000'000'000;
        block.ahead_ns = 1'000'000;
        ext.wait.emplace().merged = 0;
        ext.kvm.emplace().exits = 1'000'000;
        ext.kvm->guest_ns = 1'000'000'000'000;
        ext.kvm->halt_poll_ns = 1'000'000'000;
        ext.major_faults = 100;
        auto& cgroup = ext.cgroup.emplace();
        cgroup.throttled_ns = 0;
        cgroup.pressure = wire::PressureExt{wire::Stall{}, wire::Stall{}, wire::Stall{}};
        return vm;
    }

    std::vector<Arrival> arrivals_;
    std::minstd_rand random_{1};
    std::uniform_real_distribution<double> percent_{0, 100};
};

int fail(const Error& error) {
    std::fprintf(stderr, "bench-store: %s\n", error.message.c_str());
    return 1;
}

int write_all(const Plan& plan) {
    for (const auto* suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(plan.file + suffix);
    auto database = Database::open(plan.file);
    if (!database) return fail(database.error());
    if (const auto made = prepare_schema(*database); !made) return fail(made.error());
    auto writer = Writer::prepare(*database);
    if (!writer) return fail(writer.error());

    Grid grid(plan);
    const auto samples = plan.seconds / plan.interval_s;
    const auto begin_ms = (unix_ms() / 1000 - static_cast<std::int64_t>(plan.seconds)) * 1000;
    std::size_t rows = 0;
    std::size_t in_transaction = 0;
    std::vector<double> took_ms;  // of each transaction, all that held up the next
    const auto begin = std::chrono::steady_clock::now();
    auto transaction_began = begin;
    const double cpu_before = cpu_s();
    if (auto begun = database->execute("BEGIN"); !begun) return fail(begun.error());
    for (std::size_t s = 0; s < samples; ++s) {
        for (std::size_t h = 0; h < plan.hosts; ++h) {
            const auto at_ms = begin_ms + static_cast<std::int64_t>(s * plan.interval_s * 1000 +
                                                                    h * 1000 / plan.hosts);
            const auto& arrival = grid.sample(h, at_ms, plan.interval_s);
            if (auto written = writer->write(arrival); !written) return fail(written.error());
            const auto count = rows_of(arrival.frame);
            rows += count;
            in_transaction += count;
            if (in_transaction < rows_in_a_transaction) continue;
            if (auto flushed = writer->flush(); !flushed) return fail(flushed.error());
            if (auto done = database->execute("COMMIT; BEGIN"); !done) return fail(done.error());
            in_transaction = 0;
            const auto now = std::chrono::steady_clock::now();
            took_ms.push_back(
                std::chrono::duration<double, std::milli>(now - transaction_began).count());
            transaction_began = now;
        }
    }
    if (auto flushed = writer->flush(); !flushed) return fail(flushed.error());
    if (auto done = database->execute("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"); !done)
        return fail(done.error());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const double cpu = cpu_s() - cpu_before;
    const auto vm_samples = static_cast<double>(samples * plan.hosts * plan.vms);
    std::printf("%zu hosts x %zu VMs, %zu samples each, %zu s apart\n", plan.hosts, plan.vms,
                samples, plan.interval_s);
    std::printf("rows a second     %10.0f  (%.1f s, %.1f s of CPU)\n",
                static_cast<double>(rows) / took.count(), took.count(), cpu);
    std::printf("CPU a VM sample   %10.2f us: %.3f cores for 50,000 VMs at 1 Hz\n",
                cpu * 1e6 / vm_samples, cpu * 5e4 / vm_samples);
    if (!took_ms.empty()) {
        std::ranges::sort(took_ms);
        std::printf(
            "ms a transaction  %10.1f  in the middle, %.1f at 99 %%, %.1f at worst, of %zu\n",
            took_ms[took_ms.size() / 2], took_ms[took_ms.size() * 99 / 100], took_ms.back(),
            took_ms.size());
    }
    const auto bytes = std::filesystem::file_size(plan.file);
    std::printf("bytes a VM sample %10.1f  in all (%.1f MB)\n",
                static_cast<double>(bytes) / vm_samples, static_cast<double>(bytes) / 1e6);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: bench-store FILE [HOSTS [VMS [SECONDS [INTERVAL_S]]]]\n", stderr);
        return 2;
    }
    Plan plan;
    plan.file = argv[1];
    std::size_t* const numbers[] = {&plan.hosts, &plan.vms, &plan.seconds, &plan.interval_s};
    for (int i = 2; i < argc && i < 6; ++i) {
        *numbers[i - 2] = std::strtoul(argv[i], nullptr, 10);
        if (*numbers[i - 2] == 0) {
            std::fprintf(stderr, "bench-store: %s is no number from 1\n", argv[i]);
            return 2;
        }
    }
    return write_all(plan);
}
