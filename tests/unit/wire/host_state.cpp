#include "wire/host_state.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>

#include "tests/unit/wire/samples.h"
#include "wire/frame_codec.h"

using namespace virtpulse::wire;

namespace {

// A sample as the frames that an agent sends for it.
std::vector<Frame> parts_of(const Frame& sample) {
    EncodedSample encoded;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, encoded);
    std::vector<Frame> frames(encoded.json.size());
    FrameParser parser;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        REQUIRE(!parser.parse(encoded.json[i], frames[i]));
    }
    return frames;
}

std::map<std::string, bool> staleness(const HostState& state) {
    std::map<std::string, bool> by_name;
    for (const auto& vm : state.vms())
        by_name[vm.vm.name] = vm.stale;
    return by_name;
}

}  // namespace

TEST_CASE("parts in any order make the whole sample") {
    const auto sample = make_sample(1, 300);
    auto parts = parts_of(sample);
    REQUIRE(parts.size() > 20);
    std::rotate(parts.begin(), parts.begin() + 7, parts.end());
    std::swap(parts[0], parts[11]);
    HostState state;
    for (auto part : parts)
        CHECK(state.apply(part));
    CHECK(state.complete());
    REQUIRE(state.vms().size() == 300);
    for (const auto& vm : state.vms())
        CHECK(!vm.stale);
    CHECK(state.host().ext->self->cpu_ns == 5);
    CHECK(!state.apply(parts[3]));  // a second time brings nothing
    CHECK(state.vms().size() == 300);
}

TEST_CASE("the VMs of a lost part become stale, are not gone, and recover") {
    HostState state;
    for (auto& part : parts_of(make_sample(1, 12)))
        state.apply(part);

    auto second = parts_of(make_sample(2, 12));
    std::vector<std::string> lost;
    for (const auto& vm : second[1].vms)
        lost.push_back(vm.name);
    REQUIRE(!lost.empty());
    second.erase(second.begin() + 1);
    for (auto& part : second)
        state.apply(part);
    CHECK(!state.complete());
    CHECK(state.vms().size() == 12);

    auto third = parts_of(make_sample(3, 12));
    state.apply(third[0]);
    for (const auto& [name, stale] : staleness(state)) {
        INFO(name);
        CHECK(stale == (std::ranges::find(lost, name) != lost.end()));
    }
    state.apply(third[1]);
    for (std::size_t i = 2; i < third.size(); ++i)
        state.apply(third[i]);
    for (const auto& [name, stale] : staleness(state))
        CHECK(!stale);
}

TEST_CASE("a VM that a whole sample does not bring is gone") {
    HostState state;
    for (auto& part : parts_of(make_sample(1, 9)))
        state.apply(part);
    for (auto& part : parts_of(make_sample(2, 4)))
        state.apply(part);
    CHECK(state.vms().size() == 4);
}

TEST_CASE("a late sample does not make the picture older") {
    HostState state;
    state.apply(make_sample(5, 1));
    auto late = make_sample(4, 3);
    CHECK(!state.apply(late));
    CHECK(state.vms().size() == 1);
}

TEST_CASE("an agent that started again is followed, even when its clock went back") {
    HostState state;
    state.apply(make_sample(500, 2));
    auto again = make_sample(1, 1);
    again.host.ext->boot = 5;
    again.host.time -= 3600;
    CHECK(state.apply(again));
    CHECK(state.vms().size() == 1);
}

TEST_CASE("standard frames follow each other by time") {
    auto frame = make_sample(1, 2);
    frame.host.ext.reset();
    HostState state;
    auto next = frame;
    next.host.time += 1;
    next.vms.pop_back();
    CHECK(state.apply(next));
    CHECK(!state.apply(frame));
    CHECK(state.vms().size() == 1);
    frame.host.time -= 3600;  // the clock was set back
    CHECK(state.apply(frame));
    CHECK(state.vms().size() == 2);
}

TEST_CASE("a VM whose part never comes again is dropped after 30 s") {
    HostState state;
    for (auto& part : parts_of(make_sample(1, 12)))
        state.apply(part);
    for (std::uint64_t sample = 2; sample < 40; ++sample) {
        auto parts = parts_of(make_sample(sample, 12));
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i != 1) state.apply(parts[i]);
        }
        if (sample == 20) CHECK(state.vms().size() == 12);
    }
    CHECK(state.vms().size() < 12);
    for (const auto& vm : state.vms())
        CHECK(!vm.stale);
}

TEST_CASE("two VMs with one uuid are two VMs") {
    auto sample = make_sample(1, 2);
    sample.vms[1].uuid = sample.vms[0].uuid;
    HostState state;
    state.apply(sample);
    CHECK(state.vms().size() == 2);
    sample.host.ext->sample = 2;
    state.apply(sample);
    CHECK(state.vms().size() == 2);
}

TEST_CASE("changes are counted where a VM comes, goes, changes its state or its process") {
    auto sample = make_sample(1, 12);
    HostState state;
    const auto take = [&] {
        for (const auto& part : parts_of(sample))
            state.apply(part);
        ++*sample.host.ext->sample;
        return state.changes();
    };
    const auto first = take();
    CHECK(first == 12);
    sample.vms[3].cpu = 99;
    CHECK(take() == first);
    sample.vms[3].state = DomainState::paused;
    CHECK(take() == first + 1);
    ++*sample.vms[7].ext->start;
    CHECK(take() == first + 2);
    sample.vms.pop_back();
    CHECK(take() == first + 3);
    sample.vms[0].name += "renamed";
    CHECK(take() > first + 3);
    CHECK(state.vms().size() == 11);
}

TEST_CASE("what only the first part says of the host stays whatever part comes first") {
    auto sample = make_sample(1, 12);
    sample.host.ext->pressure = PressureExt{Stall{1, 2}, {}, {}};
    HostState state;
    for (const auto& part : parts_of(sample))
        state.apply(part);
    REQUIRE(state.host().ext->self);
    CHECK(state.host().ext->pressure == sample.host.ext->pressure);
    ++*sample.host.ext->sample;
    sample.host.ext->pressure->cpu->some_us = 5;
    const auto parts = parts_of(sample);
    REQUIRE(parts.size() > 1);
    state.apply(parts[1]);
    CHECK(state.host().ext->pressure->cpu->some_us == 1);
    CHECK(state.host().ext->self);
    state.apply(parts[0]);
    CHECK(state.host().ext->pressure->cpu->some_us == 5);
}
