#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <limits>
#include <set>

#include "tests/unit/wire/samples.h"
#include "wire/frame_codec.h"
#include "wire/json_writer.h"

using namespace virtpulse::wire;
using nlohmann::json;

namespace {
std::string json_text(std::string_view text, std::size_t longest = 1000) {
    std::string out;
    append_json_text(text, longest, out);
    return out;
}
}  // namespace

TEST_CASE("text becomes valid JSON whatever it holds") {
    CHECK(json_text("plain é 漢 🙂") == "plain é 漢 🙂");
    CHECK(json_text("a\"b\\c\nd\x01\x7f") == R"(a\"b\\c\u000ad\u0001\u007f)");
    CHECK(json_text("\xff\xc0\x80x") == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx");
    CHECK(json_text("\xed\xa0\x80") == "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // a surrogate
    CHECK(json_text("\xe2\x82") == "\xef\xbf\xbd\xef\xbf\xbd");                  // cut short
    CHECK(json_text("\xf4\x90\x80\x80").size() == 12);                           // over U+10FFFF
    CHECK(json_text("éé", 3) == "é");   // never inside a character
    CHECK(json_text("a\"", 2) == "a");  // nor inside an escape
}

TEST_CASE("a standard frame has the members of the standard and no other") {
    EncodedSample out;
    encode_sample(make_sample(1, 2), FrameStyle::standard, default_max_datagram, out);
    REQUIRE(out.json.size() == 1);
    const auto frame = json::parse(out.json[0]);
    std::set<std::string> host;
    for (const auto& item : frame.items())
        host.insert(item.key());
    CHECK(host ==
          std::set<std::string>{"name", "time", "cpu", "ram", "disk", "cputemp", "mbtemp", "vms"});
    std::set<std::string> vm;
    for (const auto& item : frame["vms"][0].items())
        vm.insert(item.key());
    CHECK(vm == std::set<std::string>{"name", "uuid", "state", "cpu", "ram", "maxram"});
    CHECK(frame["cputemp"].is_null());
    CHECK(frame["vms"][1]["name"] == "guest1");
    CHECK(out.json[0].find_first_of("\n\t") == std::string::npos);
}

TEST_CASE("what is not finite is null, what is unknown is absent or null") {
    auto sample = make_sample(1, 1);
    sample.host.cpu = std::numeric_limits<double>::quiet_NaN();
    sample.vms[0].cpu.reset();
    sample.vms[0].ext->cpu_ns.reset();
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    const auto frame = json::parse(out.json[0]);
    CHECK(frame["cpu"].is_null());
    CHECK(frame["vms"][0]["cpu"].is_null());
    CHECK(!frame["vms"][0]["ext"].contains("cpu_ns"));
    CHECK(frame["vms"][0]["ext"]["run_delay_ns"] == 0);
}

TEST_CASE("what is written is written the same again: a zero has no sign, names are escaped") {
    auto sample = make_sample(1, 1);
    sample.host.cpu = -0.0;
    sample.host.ext->missing = {{"a\"b\\", "no answer"}};
    const auto written = sample_as_json(sample, FrameStyle::extended);
    CHECK(json::parse(written)["ext"]["missing"]["a\"b\\"] == "no answer");
    FrameParser parser;
    Frame again;
    REQUIRE_FALSE(parser.parse(written, again));
    CHECK(sample_as_json(again, FrameStyle::extended) == written);
}

TEST_CASE("no block I/O is an empty list, unknown block I/O is none") {
    auto sample = make_sample(1, 2);
    sample.vms[0].ext->block->clear();
    sample.vms[1].ext->block.reset();
    const auto frame = json::parse(sample_as_json(sample, FrameStyle::extended));
    CHECK(frame["vms"][0]["ext"]["block"] == json::array());
    CHECK(!frame["vms"][1]["ext"].contains("block"));
}

TEST_CASE("a large extended sample goes in parts that each fit and together hold every VM once") {
    const std::size_t limit = GENERATE(as<std::size_t>{}, 576, 1452, 9000, 65507);
    const auto vms = GENERATE(as<std::size_t>{}, 0, 1, 3, 300);
    EncodedSample out;
    const auto sample = make_sample(7, static_cast<int>(vms));
    encode_sample(sample, FrameStyle::extended, limit, out);
    CHECK(out.omitted_vms == 0);
    std::multiset<std::string> names;
    for (std::size_t i = 0; i < out.json.size(); ++i) {
        CHECK(out.json[i].size() + sequence_bytes <= limit);
        const auto frame = json::parse(out.json[i]);
        CHECK(frame["name"] == "hyper1");
        CHECK(frame["cpu"] == 1.5);
        CHECK(frame["ext"]["sample"] == 7);
        if (out.json.size() > 1) {
            CHECK(frame["ext"]["part"] == json::array({i, out.json.size()}));
        } else {
            CHECK(!frame["ext"].contains("part"));
        }
        for (const auto& vm : frame["vms"])
            names.insert(vm["name"].get<std::string>());
    }
    CHECK(names.size() == vms);
    CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
}

TEST_CASE("a VM too large for a datagram loses its histograms before what it waited for") {
    auto sample = make_sample(1, 1);
    auto& ext = *sample.vms[0].ext;
    ext.block->at(0).read_latency.assign(24, 123456789012);
    ext.block->at(0).write_latency.assign(24, 123456789012);
    auto& wait = ext.wait.emplace();
    wait.counts.assign(wait_buckets, 123456789012);
    wait.p99_ns = 5;
    wait.culprits = {{"vm", "neighbour", 7, 1}};
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    const auto frame = json::parse(out.json.back());
    const auto& told = frame["vms"].at(0)["ext"];
    CHECK(!told.contains("vcpu"));
    CHECK(!told["block"][0].contains("read_latency"));
    CHECK(!told["wait"].contains("counts"));
    CHECK(told["wait"]["p99_ns"] == 5);
    CHECK(told["wait"]["culprits"][0]["name"] == "neighbour");

    encode_sample(sample, FrameStyle::extended, largest_datagram, out);
    const auto whole = json::parse(out.json.back());
    CHECK(whole["vms"][0]["ext"]["wait"]["counts"].size() == wait_buckets);
}

TEST_CASE("a busy VM with a disk says in one datagram whom it waited for") {
    constexpr std::uint64_t large = 1234567890123;
    auto sample = make_sample(1, 1);
    auto& ext = *sample.vms[0].ext;
    ext.cpu_ns = ext.run_delay_ns = large;
    BlockCounters disk;
    disk.device = "nvme0n1";
    disk.read_ops = disk.read_bytes = disk.write_ops = disk.write_bytes = disk.busy_ns = large;
    disk.flush_ops = disk.discard_ops = disk.in_flight = disk.untimed_ops = 5;
    disk.read_queue_ns = disk.read_device_ns = disk.write_queue_ns = large;
    disk.write_device_ns = disk.flush_ns = disk.discard_ns = disk.ahead_ns = large;
    disk.read_p50_ns = disk.read_p99_ns = disk.write_p50_ns = disk.write_p99_ns = 1234567;
    disk.ahead.assign(3, {"6cdbd6d2-266d-c568-bc78-7aaab689c0e5", large});
    disk.read_latency.assign(24, large);
    disk.write_latency.assign(24, large);
    ext.block = {disk};
    ext.kvm->reasons.assign(15, {"external_interrupt", large, large});
    auto& wait = ext.wait.emplace();
    wait.counts.assign(wait_buckets, large);
    wait.by_ns.fill(large);
    wait.culprits.assign(most_culprits, {"vm", "database-production-1", large, 1234567});
    wait.culprits[0].name = "worst";
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    CHECK(out.omitted_vms == 0);
    CHECK(out.json.back().size() + 4 <= default_max_datagram);
    const auto told = json::parse(out.json.back())["vms"].at(0)["ext"];
    REQUIRE(told.contains("wait"));
    CHECK(told["wait"]["by_ns"].size() == wait_classes.size());
    CHECK(told["wait"]["culprits"].size() == 3);
    CHECK(told["wait"]["culprits"][0]["name"] == "worst");
    CHECK(told["block"][0]["write_bytes"] == large);
}

TEST_CASE("a VM too large for a datagram loses its single vCPUs first") {
    auto sample = make_sample(1, 1);
    for (std::uint64_t i = 3; i < 100; ++i)
        sample.vms[0].ext->vcpu.push_back({i, 1234567890123, 123456789012, 4096, 123456});
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    const auto told = json::parse(out.json.back())["vms"].at(0)["ext"];
    CHECK(!told.contains("vcpu"));
    CHECK(told.contains("cgroup"));
    CHECK(told["block"][0].contains("read_latency"));
    encode_sample(sample, FrameStyle::extended, largest_datagram, out);
    const auto whole = json::parse(out.json.back())["vms"].at(0)["ext"];
    CHECK(whole["vcpu"].size() == 99);
    CHECK(whole["vcpu"][0] == json::array({0, 5, 6, 7, 8}));
    CHECK(whole["vcpu"][1] == json::array({2, 9, 10}));
}

TEST_CASE("a VM that is still too large loses its cgroup's figures before what it waited for") {
    auto sample = make_sample(1, 1);
    auto& ext = *sample.vms[0].ext;
    ext.wait.emplace().p99_ns = 5;
    EncodedSample out;
    const auto told = [&](std::size_t reasons) {
        ext.kvm->reasons.assign(reasons, {"io_instruction", 1000, 1000});
        encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
        return json::parse(out.json.back())["vms"].at(0)["ext"];
    };
    bool lost_cgroup_alone = false;
    for (std::size_t reasons = 0; reasons < 40; ++reasons) {
        const auto ext_told = told(reasons);
        if (!ext_told.is_object()) break;
        CHECK((ext_told.contains("wait") || !ext_told.contains("cgroup")));
        lost_cgroup_alone |= ext_told.contains("wait") && !ext_told.contains("cgroup");
    }
    CHECK(lost_cgroup_alone);
}

TEST_CASE("a VM too large for a datagram of its own loses its ext, not its place") {
    auto sample = make_sample(1, 1);
    sample.vms[0].ext->block->resize(40, sample.vms[0].ext->block->at(0));
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    CHECK(out.omitted_vms == 0);
    const auto frame = json::parse(out.json.back());
    REQUIRE(frame["vms"].size() == 1);
    CHECK(!frame["vms"][0].contains("ext"));
}

TEST_CASE("a standard frame leaves out what does not fit in 65507 bytes, and says how many") {
    EncodedSample out;
    encode_sample(make_sample(1, 1000), FrameStyle::standard, default_max_datagram, out);
    REQUIRE(out.json.size() == 1);
    CHECK(out.json[0].size() + sequence_bytes <= largest_datagram);
    CHECK(out.json[0].size() + sequence_bytes > largest_datagram - 300);
    const auto frame = json::parse(out.json[0]);
    CHECK(frame["vms"].size() + out.omitted_vms == 1000);
    CHECK(out.omitted_vms > 0);
}

TEST_CASE("what is written is read back the same") {
    const auto sample = make_sample(9, 1);
    EncodedSample out;
    encode_sample(sample, FrameStyle::extended, default_max_datagram, out);
    REQUIRE(out.json.size() == 1);
    Frame frame;
    FrameParser parser;
    const auto error = parser.parse(out.json[0], frame);
    REQUIRE(!error);
    CHECK(frame == sample);
}
