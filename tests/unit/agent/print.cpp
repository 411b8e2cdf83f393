#include "userspace/emit/print.h"

#include <catch2/catch.hpp>

#include <sstream>

#include "tests/unit/wire/samples.h"

using namespace virtpulse;
using namespace virtpulse::agent;

TEST_CASE("the table shows a line a VM, unknown as a dash, and names made harmless") {
    auto frame = wire::make_sample(1, 2);
    frame.vms[0].name = "evil\x1b[2J";
    frame.vms[1].cpu.reset();
    frame.vms[1].ext->cpu_ns.reset();
    frame.vms[1].state = wire::DomainState::paused;
    const auto text = frame_as_table(frame);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("no libvirt: no answer for 12 s") != std::string::npos);
    CHECK(text.find("by ebpf") != std::string::npos);
    CHECK(text.find("pressure:  cpu 0.0 s  memory 0.0 s  io 0.0 s") != std::string::npos);
    CHECK(text.find("throttled 0.0 s  13 major faults") != std::string::npos);
    const auto line = text.substr(text.find("guest1"));
    CHECK(line.find("paused") != std::string::npos);
    CHECK(line.find("—") != std::string::npos);
}

TEST_CASE("the table says what a VM waits for, and what the kernel side costs") {
    auto frame = wire::make_sample(1, 2);
    auto& wait = frame.vms[0].ext->wait.emplace();
    wait.p99_ns = 4162846;
    wait.culprits = {{"vm", "evil\x1b[2J", 5, 1}};
    frame.host.ext->self->programs = {{"vp_sched_switch", 4, 300}, {"never_ran", 0, 0}};
    frame.host.ext->self->maps = {{"vms", 2049, 4096}, {"threads", 3, 32768}};
    const auto text = frame_as_table(frame);
    CHECK(text.find("4.163  evil") != std::string::npos);
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(text.find("vp_sched_switch: 4 runs of 75 ns") != std::string::npos);
    CHECK(text.find("never_ran") == std::string::npos);
    CHECK(text.find("the map vms has 2049 of 4096 entries") != std::string::npos);
    CHECK(text.find("the map threads") == std::string::npos);
}

TEST_CASE("JSON is one line, and a stream that nobody reads is noticed") {
    Options options;
    options.print = Print::json;
    std::ostringstream out;
    CHECK(print_frame(wire::make_sample(1, 50), options, out));
    const auto text = out.str();
    CHECK(text.find('\n') == text.size() - 1);
    out.setstate(std::ios::badbit);
    CHECK(!print_frame(wire::make_sample(2, 1), options, out));
}
