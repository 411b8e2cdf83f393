#include "userspace/program.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "userspace/choose_source.h"
#include "userspace/compare/compare.h"
#include "userspace/emit/collectors.h"
#include "userspace/emit/own_key.h"
#include "userspace/emit/print.h"
#include "userspace/emit/scrape.h"
#include "userspace/probe/pinned_maps.h"
#include "userspace/probe/pins.h"
#include "userspace/sample/sampler.h"
#include "userspace/sample/ticker.h"
#include "userspace/sandbox/sandbox.h"
#include "wire/datagrams.h"

namespace virtpulse::agent {
namespace {

using namespace std::chrono_literals;

void log_to_stderr(const std::string& level) {
    auto logger = spdlog::stderr_logger_mt("virtpulse-agent");
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

wire::DatagramOptions datagram_options(const Options& options) {
    using namespace std::chrono;
    const auto start = duration_cast<microseconds>(system_clock::now().time_since_epoch());
    return {options.frames, options.max_datagram, options.pack,
            static_cast<std::uint64_t>(start.count()), 0};
}

void renew_key(const Options& options, wire::Datagrams& datagrams) {
    const auto key = read_own_key(options.key_file, options.name);
    if (!key) {
        spdlog::error("the key stays as it is: {}", key.error().message);
        return;
    }
    datagrams.seal_with(*key);
    spdlog::info("frames are now sealed with key {}", (*key)->id);
}

Result<void> run(const Options& options) {
    std::shared_ptr<const wire::Key> key;
    if (!options.key_file.empty()) {
        auto read = read_own_key(options.key_file, options.name);
        if (!read) return read.error();
        key = std::move(*read);
    }
    std::unique_ptr<Scrape> scrape;
    if (options.prometheus) {
        auto listening = Scrape::listen(*options.prometheus);  // while any port may still be taken
        if (!listening) return listening.error();
        scrape = std::move(*listening);
    }
    // Before any thread: all of them leave these signals to this one.
    auto ticker = Ticker::make(options.interval);
    if (!ticker) return ticker.error();
    auto chosen = choose_source(options);
    if (!chosen) return chosen.error();
    if (!chosen->why_not_ebpf.empty()) {
        spdlog::warn("VM figures come from /proc: {}", chosen->why_not_ebpf);
    } else {
        spdlog::info("VM figures come from {}", chosen->source->name());
    }
    // All is loaded and attached, and there is no other thread yet.
    const bool by_proc = chosen->source->name() == "proc";
    const auto entered = enter_sandbox(by_proc ? Reads::executables_and_io : Reads::executables);
    if (!entered) {
        spdlog::warn("going on with more privileges than needed: {}", entered.error().message);
    }
    std::optional<LibvirtWatch> libvirt;
    if (!options.libvirt_uri.empty()) libvirt.emplace(options.libvirt_uri);

    if (scrape) {
        spdlog::info("metrics on http://{}/metrics", options.prometheus->text());
        scrape->start();
    }

    Sampler sampler(options, *chosen->source, libvirt ? &*libvirt : nullptr, read_machine_id());
    std::optional<Collectors> collectors;
    if (!options.collectors.empty()) {
        for (const auto& endpoint : options.collectors) {
            spdlog::info("sending to {}", endpoint.text());
        }
        collectors.emplace(options.collectors);
        collectors->wait_until_resolved(1s);
    }
    sampler.sample();  // the base of the first rates

    wire::Datagrams datagrams(datagram_options(options));
    if (key) datagrams.seal_with(key);
    std::uint64_t omitted_vms = 0;
    for (std::uint64_t done = 0; !options.count || done < *options.count; ++done) {
        auto event = ticker->wait();
        for (; event == Ticker::Event::hangup && !options.key_file.empty(); event = ticker->wait())
            renew_key(options, datagrams);
        if (event != Ticker::Event::tick) break;
        wire::Frame& frame = sampler.sample();
        auto& self = *frame.host.ext->self;
        self.late_samples = ticker->late();
        self.omitted_vms = omitted_vms;
        if (collectors) {
            self.send_errors = collectors->errors();
            collectors->send(datagrams.make(frame));
            if (datagrams.omitted_vms() != 0 && omitted_vms == 0) {
                spdlog::warn("{} VMs do not fit into a frame and are left out",
                             datagrams.omitted_vms());
            }
            omitted_vms += datagrams.omitted_vms();
        }
        if (scrape) scrape->show(frame);
        if (options.print != Print::nothing && !print_frame(frame, options, std::cout)) {
            break;  // nobody reads it any more
        }
    }
    return {};
}

}  // namespace

int run_agent(const Options& options) {
    log_to_stderr(options.log_level);
    Result<void> done{};
    switch (options.mode) {
        case Mode::check_config:
            if (!options.key_file.empty()) {
                const auto key = read_own_key(options.key_file, options.name);
                if (!key) done = key.error();
            }
            break;
        case Mode::unpin: {
            const auto removed = unpin_all(options.root);
            if (removed) {
                std::cout << *removed << " pinned maps removed\n";
            } else {
                done = removed.error();
            }
            break;
        }
        case Mode::maps: {
            const auto maps = list_pinned_maps(options.root);
            if (maps) {
                std::cout << maps_as_table(*maps);
            } else {
                done = maps.error();
            }
            break;
        }
        case Mode::compare:
            done = compare_sources(options, std::cout);
            break;
        case Mode::run:
            done = run(options);
            break;
    }
    if (done) return 0;
    std::cerr << "virtpulse-agent: " << done.error().message << '\n';
    return 1;
}

}  // namespace virtpulse::agent
