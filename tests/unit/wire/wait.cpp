#include <catch2/catch.hpp>

#include "tests/unit/wire/samples.h"
#include "wire/frame_codec.h"

using namespace virtpulse::wire;

namespace {

Vm waiting_vm(int i, const std::string& culprit) {
    Vm vm = make_vm(i);
    WaitExt wait;
    wait.counts = {1, 0, 0, 18446744073709551615ull};
    wait.merged = 2;
    wait.phantom_ns = 5'800'000'000;
    wait.p50_ns = 1536;
    wait.p99_ns = 4162846;
    wait.by_ns = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    wait.culprits = {{"vm", culprit, 9, 3}, {"quota", "", 2, 1}};
    vm.ext->wait = wait;
    vm.ext->role = RoleExt{1, 2, 3, 4};
    vm.ext->cpu_moves = 5;
    vm.ext->node_moves = 0;
    return vm;
}

std::optional<FrameError> parse_with(std::string_view wait) {
    Frame frame = make_sample(1, 1);
    auto text = sample_as_json(frame, FrameStyle::extended);
    const std::string_view before = "\"switches\":42";
    text.insert(text.find(before) + before.size(), ",\"wait\":" + std::string(wait));
    FrameParser parser;
    return parser.parse(text, frame);
}

}  // namespace

TEST_CASE("waits, roles and moves are read as they were written") {
    Frame frame = make_sample(1, 0);
    frame.vms.push_back(waiting_vm(0, "web \"3\""));
    FrameParser parser;
    Frame read;
    REQUIRE(!parser.parse(sample_as_json(frame, FrameStyle::extended), read));
    CHECK(read.vms.at(0).ext == frame.vms.at(0).ext);
}

TEST_CASE("a standard frame has no waits") {
    Frame frame = make_sample(1, 0);
    frame.vms.push_back(waiting_vm(0, "x"));
    CHECK(sample_as_json(frame, FrameStyle::standard).find("wait") == std::string::npos);
}

TEST_CASE("a VM too long for a datagram goes without its waits, before without its ext") {
    Frame frame = make_sample(1, 0);
    frame.vms.push_back(waiting_vm(0, std::string(200, 'w')));
    frame.vms.at(0).name.assign(longest_name, 'n');
    frame.vms.at(0).ext->wait->culprits.resize(most_culprits,
                                               {"process", std::string(longest_name, 'p'), 1, 1});
    EncodedSample encoded;
    encode_sample(frame, FrameStyle::extended, 1452, encoded);
    FrameParser parser;
    Frame read;
    std::size_t seen = 0;
    for (const auto& part : encoded.json) {
        CHECK(part.size() + 4 <= 1452);
        REQUIRE(!parser.parse(part, read));
        for (const auto& vm : read.vms) {
            ++seen;
            REQUIRE(vm.ext);
            CHECK(!vm.ext->wait);
            CHECK(vm.ext->switches == 42);
        }
    }
    CHECK(seen == 1);
    CHECK(encoded.omitted_vms == 0);
}

TEST_CASE("what the kernel side costs is read as it was written, and bounded") {
    Frame frame = make_sample(1, 0);
    auto& self = *frame.host.ext->self;
    self.programs = {{"vp_sched_switch", 12345, 999999}, {"vp_adopt", 1, 0}};
    self.maps = {{"vms", 3, 4096}};
    FrameParser parser;
    Frame read;
    REQUIRE(!parser.parse(sample_as_json(frame, FrameStyle::extended), read));
    CHECK(read == frame);
    self.programs.resize(most_programs_or_maps + 1);
    CHECK(parser.parse(sample_as_json(frame, FrameStyle::extended), read));
    auto text = sample_as_json(make_sample(1, 0), FrameStyle::extended);
    const std::string_view before = "\"self\":{";
    text.insert(text.find(before) + before.size(), R"("maps":{"vms":[1]},)");
    CHECK(parser.parse(text, read));
}

TEST_CASE("waits that are none are refused") {
    CHECK(!parse_with("{}"));
    CHECK(!parse_with("null"));
    CHECK(!parse_with(R"({"culprits":[{"who":"something new","ns":1}]})"));
    CHECK(parse_with("[]"));
    CHECK(parse_with(R"({"counts":[-1]})"));
    CHECK(parse_with(R"({"counts":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]})"));
    CHECK(parse_with(R"({"by_ns":{"vm":"x"}})"));
    CHECK(parse_with(R"({"culprits":[7]})"));
    CHECK(parse_with(R"({"culprits":[{"name":"nobody"}]})"));
    CHECK(parse_with(R"({"culprits":[{"who":"vm\u0007"}]})"));
    CHECK(parse_with(
        R"({"culprits":[{"who":"a"},{"who":"a"},{"who":"a"},{"who":"a"},{"who":"a"},{"who":"a"}]})"));
}

TEST_CASE("a culprit in words") {
    CHECK(culprit_text("vm", "web3") == "web3");
    CHECK(culprit_text("process", "cc1plus") == "cc1plus (process)");
    CHECK(culprit_text("quota", "") == "its own CPU quota");
    for (const auto who : wait_classes)
        CHECK(!culprit_text(who, "x").empty());
    CHECK(culprit_text("something new", "") == "something new");
}
