#include <catch2/catch.hpp>

#include "tests/unit/wire/samples.h"
#include "wire/frame_codec.h"

using namespace virtpulse::wire;

namespace {

std::optional<FrameError> parse(std::string_view text) {
    FrameParser parser;
    Frame frame;
    return parser.parse(text, frame);
}

// The thesis' frame with one piece of text put in place of another.
std::string with(std::string_view piece, std::string_view instead) {
    std::string text(thesis_frame);
    const auto at = text.find(piece);
    REQUIRE(at != std::string::npos);
    return text.replace(at, piece.size(), instead);
}

}  // namespace

TEST_CASE("the frame of the thesis is read") {
    FrameParser parser;
    Frame frame;
    REQUIRE(!parser.parse(thesis_frame, frame));
    CHECK(frame.host.name == "Fedora14");
    CHECK(frame.host.time == 1308674056.734489);
    CHECK(frame.host.cpu == 5.350496117327408);
    CHECK(frame.host.cputemp == 37.0);
    CHECK(!frame.host.ext);
    REQUIRE(frame.vms.size() == 2);
    CHECK(frame.vms[0].uuid == "87c63557-2a88-d1ee-b38b-9d7211f0256d");
    CHECK(frame.vms[1].state == DomainState::shut_off);
    CHECK(frame.vms[1].maxram == 1048576);
}

TEST_CASE("a machine without sensors sends null, and unknown members mean nothing") {
    CHECK(!parse(with("37.0", "null")));
    CHECK(!parse(with(R"("cputemp":37.0,)", "")));
    CHECK(!parse(with("{\"cputemp\"", R"({"colour":{"a":[1,2]},"cputemp")")));
}

TEST_CASE("of two members of one name the first counts, however many others there are") {
    FrameParser parser;
    Frame frame;
    std::string more;
    for (int at = 0; at < 100; ++at) {
        CAPTURE(at);
        const auto text = with("{", "{" + more + R"("cpu":7.5,)");
        REQUIRE(!parser.parse(text, frame));
        CHECK(frame.host.cpu == 7.5);
        CHECK(frame.host.name == "Fedora14");
        CHECK(!frame.host.ext);
        REQUIRE(frame.vms.size() == 2);
        CHECK(frame.vms[1].maxram == 1048576);
        more += "\"cp" + std::to_string(at) + "\":1,";
    }
}

TEST_CASE("what is no frame is refused with its reason") {
    struct Row {
        std::string text;
        FrameFault fault;
    };
    const Row rows[] = {
        {"", FrameFault::not_json},
        {"{", FrameFault::not_json},
        {"[]", FrameFault::not_object},
        {"12", FrameFault::not_object},
        {"{}", FrameFault::missing_member},
        {with("37.0", "NaN"), FrameFault::not_json},
        {with("37.0", "1e999"), FrameFault::not_json},
        {with("37.0", "\"37\""), FrameFault::wrong_type},
        {with("37.0", "1e300"), FrameFault::out_of_range},
        {with("\"Fedora14\"", "\"Fedo\xffra\""), FrameFault::not_json},
        {with("\"Fedora14\"", "14"), FrameFault::wrong_type},
        {with("\"Fedora14\"", "\"\""), FrameFault::out_of_range},
        {with("\"Fedora14\"", R"("a\u0000b")"), FrameFault::out_of_range},
        {with("Fedora14", std::string(60000, 'x')), FrameFault::out_of_range},
        {with("1308674056.734489", "-1"), FrameFault::out_of_range},
        {with("1308674056.734489", "null"), FrameFault::wrong_type},
        {with("\"state\":5", "\"state\":8"), FrameFault::out_of_range},
        {with("\"state\":5", "\"state\":-1"), FrameFault::out_of_range},
        {with("\"state\":5", "\"state\":true"), FrameFault::wrong_type},
        {with("\"maxram\":1048576", "\"maxram\":1.5"), FrameFault::out_of_range},
        {with("\"vms\":[", "\"vms\":[7,"), FrameFault::wrong_type},
        {with("\"cpu\":5.350496117327408", "\"cpu\":-5"), FrameFault::out_of_range},
        {with("{\"cputemp\"", R"({"ext":{"sample":1,"part":[2,2]},"cputemp")"),
         FrameFault::out_of_range},
        {with("{\"cputemp\"", R"({"ext":{"part":[0,2]},"cputemp")"), FrameFault::out_of_range},
        {with("{\"cputemp\"", R"({"ext":[],"cputemp")"), FrameFault::wrong_type},
        {with("{\"cputemp\"", R"({"ext":{"pressure_us":{"cpu":[]}},"cputemp")"),
         FrameFault::wrong_type},
        {with("{\"cputemp\"", R"({"ext":{"pressure_us":{"io":[1,2,3]}},"cputemp")"),
         FrameFault::wrong_type},
        {with("{\"cputemp\"", R"({"ext":{"pressure_us":{"io":[1,-2]}},"cputemp")"),
         FrameFault::wrong_type},
        {with("\"state\":5", R"("state":5,"ext":{"vcpu":[[0,1]]})"), FrameFault::wrong_type},
        {with("\"state\":5", R"("state":5,"ext":{"vcpu":[[0,1,2,3]]})"), FrameFault::wrong_type},
        {with("\"state\":5", R"("state":5,"ext":{"vcpu":[7]})"), FrameFault::wrong_type},
        {with("37.0", std::string(1000, '[') + std::string(1000, ']')), FrameFault::not_json},
    };
    for (const auto& row : rows) {
        INFO(row.text.substr(0, 120));
        const auto error = parse(row.text);
        REQUIRE(error);
        CHECK(fault_name(error->fault) == fault_name(row.fault));
    }
}

TEST_CASE("one parser reads good frames after bad ones") {
    FrameParser parser;
    Frame frame;
    CHECK(parser.parse("{", frame));
    CHECK(parser.parse(with("Fedora14", std::string(60000, 'x')), frame));
    CHECK(!parser.parse(thesis_frame, frame));
    CHECK(frame.vms.size() == 2);
}

TEST_CASE("a frame that was read to before says nothing of what it said then") {
    FrameParser parser;
    Frame used;
    Frame fresh;
    const auto full = sample_as_json(make_sample(1, 3), FrameStyle::extended);
    REQUIRE(!parser.parse(full, used));
    REQUIRE(!parser.parse(thesis_frame, used));
    REQUIRE(!parser.parse(thesis_frame, fresh));
    CHECK(used == fresh);
    const auto bare =
        with(R"("vms":[{)", R"("ext":{},"vms":[{"ext":{"block":[{"dev":"a"}],"kvm":{},)"
                            R"("role":{},"wait":{},"cgroup":{}},)");
    REQUIRE(!parser.parse(full, used));
    REQUIRE(!parser.parse(bare, used));
    fresh = {};
    REQUIRE(!parser.parse(bare, fresh));
    CHECK(used == fresh);
}

TEST_CASE("of members of the same name the first counts") {
    FrameParser parser;
    Frame frame;
    REQUIRE(!parser.parse(with(R"("disk":0.0)", R"("disk":1.0,"disk":2.0)"), frame));
    CHECK(frame.host.disk == 1.0);
}
