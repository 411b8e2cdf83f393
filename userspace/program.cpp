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
#include "userspace/emit/print.h"
#include "userspace/probe/pinned_maps.h"
#include "userspace/probe/pins.h"
#include "userspace/sample/sampler.h"
#include "userspace/sample/ticker.h"
#include "userspace/sandbox/sandbox.h"
#include "wire/frame_codec.h"

namespace virtpulse::agent {
namespace {

using namespace std::chrono_literals;

void log_to_stderr(const std::string& level) {
    auto logger = spdlog::stderr_logger_mt("virtpulse-agent");
    logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    logger->set_level(spdlog::level::from_str(level));
    spdlog::set_default_logger(std::move(logger));
}

Result<void> run(const Options& options) {
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

    wire::EncodedSample encoded;
    std::uint32_t sequence = 0;
    std::uint64_t omitted_vms = 0;
    for (std::uint64_t done = 0; !options.count || done < *options.count; ++done) {
        if (ticker->wait() == Ticker::Event::end) break;
        wire::Frame& frame = sampler.sample();
        auto& self = *frame.host.ext->self;
        self.late_samples = ticker->late();
        self.omitted_vms = omitted_vms;
        if (collectors) {
            self.send_errors = collectors->errors();
            wire::encode_sample(frame, options.frames, options.max_datagram, encoded);
            if (encoded.omitted_vms != 0 && omitted_vms == 0) {
                spdlog::warn("{} VMs do not fit into a frame and are left out",
                             encoded.omitted_vms);
            }
            omitted_vms += encoded.omitted_vms;
            for (const auto& json : encoded.json)
                collectors->send(sequence++, json);
        }
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
            return 0;
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
