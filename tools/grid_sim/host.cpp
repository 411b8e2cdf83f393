#include "tools/grid_sim/host.h"

#include <cmath>
#include <cstdio>

namespace virtpulse::sim {
namespace {

std::uint64_t whole(double value) {
    return static_cast<std::uint64_t>(value);
}

// Loads go up and down with a period of their own, so that no two VMs look alike.
double load_of(std::uint32_t host, std::uint32_t vm, double at_s) {
    const double period_s = 60 + (host * 31 + vm * 7) % 240;
    return 0.5 + 0.5 * std::sin(at_s / period_s * 6.283);
}

}  // namespace

Host::Host(const Options& options, std::uint32_t number, double clock_off_s,
           std::shared_ptr<const wire::Key> key, std::shared_ptr<wire::Packer> packer)
    : options_(options),
      number_(number),
      clock_off_s_(clock_off_s),
      key_(std::move(key)),
      packer_(std::move(packer)) {
    name_ = options.prefix + std::to_string(number);
}

void Host::start(double now_s) {
    started_s_ = now_s;
    sample_ = 0;
    datagrams_ = std::make_unique<wire::Datagrams>(
        wire::DatagramOptions{options_.frames, options_.max_datagram, options_.pack,
                              whole((now_s + clock_off_s_) * 1e6), 0},
        packer_);
    if (key_) datagrams_->seal_with(key_);
}

std::span<const std::string> Host::sample(double now_s, wire::Frame& scratch) {
    if (!datagrams_) {
        // Agents have been running for a while, each for another, so that not all restart at once.
        const double age_s = options_.restart_every_s.value_or(0) * (number_ % 16) / 16;
        born_s_ = now_s;
        start(now_s - age_s);
    } else if (options_.restart_every_s && now_s - started_s_ >= *options_.restart_every_s) {
        start(now_s);
        ++restarts_;
    }
    ++sample_;
    fill(now_s, scratch);
    return datagrams_->make(scratch);
}

void Host::fill(double now_s, wire::Frame& frame) const {
    auto& host = frame.host;
    const double up_s = now_s - born_s_ + 1000;
    host.name = name_;
    host.time = now_s + clock_off_s_;
    host.cpu = 100 * load_of(number_, 0, now_s);
    host.ram = 40 + 20 * load_of(number_, 1, now_s);
    host.disk = 10 * load_of(number_, 2, now_s);
    host.cputemp = 45 + 10 * load_of(number_, 3, now_s);
    host.mbtemp = std::nullopt;
    auto& ext = host.ext ? *host.ext : host.ext.emplace();
    ext.id = "0123456789abcdef0123456789abcdef";
    ext.boot = whole((started_s_ + clock_off_s_) * 1e9);
    ext.interval_ms = whole(1000 / options_.rate);
    ext.source = "ebpf";
    ext.sample = sample_;
    ext.cpus = 64;
    ext.mem_total_bytes = std::uint64_t{512} << 30;
    auto& self = ext.self.emplace();
    self.cpu_ns = whole(up_s * 2e6);
    self.rss_bytes = 9'000'000;
    self.sample_ns = 400'000;
    self.send_errors = self.late_samples = self.omitted_vms = 0;
    self.update_failures = self.lost_completions = 0;

    frame.vms.resize(options_.vms);
    for (std::uint32_t i = 0; i < options_.vms; ++i) {
        auto& vm = frame.vms[i];
        const double load = load_of(number_, i + 4, now_s);
        char text[64];
        std::snprintf(text, sizeof text, "%08x-0000-4000-8000-%012x", number_, i);
        vm.uuid = text;
        vm.name = "guest-" + std::to_string(number_) + "-" + std::to_string(i);
        vm.state = wire::DomainState::running;
        vm.cpu = 100 * load;
        vm.ram = 2'097'152;
        vm.maxram = 4'194'304;
        auto& more = vm.ext ? *vm.ext : vm.ext.emplace();
        more.pid = 2000 + i;
        more.start = 1'000'000'000ULL * (i + 1) + number_;
        more.since = whole((born_s_ + clock_off_s_) * 1e9);
        more.vcpus = 2;
        more.threads = 9;
        more.cpu_ns = whole(up_s * 0.9e9) + i * 1'000'003ULL + whole(load * 1e8);
        more.run_delay_ns = whole(up_s * 1.3e6) + i;
        more.switches = whole(up_s * 811) + i;
        more.rss_bytes = (std::uint64_t{2} << 30) + i * 4096ULL;
        auto& blocks = more.block ? *more.block : more.block.emplace();
        blocks.resize(1);
        auto& block = blocks.front();
        block.device = "nvme0n1";
        block.read_ops = whole(up_s * 17) + i;
        block.read_bytes = *block.read_ops * 16384;
        block.write_ops = whole(up_s * 29) + i;
        block.write_bytes = *block.write_ops * 8192;
        block.flush_ops = whole(up_s * 3);
        block.discard_ops = 0;
        block.busy_ns = whole(up_s * 5.7e6);
        block.in_flight = i % 3;
    }
}

}  // namespace virtpulse::sim
