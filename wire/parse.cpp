#include <new>

#include <simdjson.h>

#include "wire/frame_codec.h"
#include "wire/member_reader.h"
#include "wire/parse_vm.h"

namespace virtpulse::wire {
namespace {

constexpr std::size_t deepest_nesting = 16;
constexpr std::size_t most_missing = 32;
constexpr double latest_time_s = 4102444800.0 * 100;  // some 13,000 years: what a double still says

constexpr MemberNames frame_names("name", "time", "cpu", "ram", "disk", "cputemp", "mbtemp", "vms",
                                  "ext");
constexpr MemberNames ksm_names("run", "shared_bytes", "saved_bytes");
constexpr MemberNames host_ext_names("id", "boot", "interval_ms", "source", "sample", "part",
                                     "missing", "cpus", "mem_total_bytes", "pressure_us", "ksm",
                                     "self");
constexpr MemberNames cost_names("cpu_ns", "rss_bytes", "sample_ns", "send_errors", "late_samples",
                                 "omitted_vms", "update_failures", "lost_completions",
                                 "lost_issues", "recursion_misses", "programs", "maps");

void read_ksm(MemberReader& in, dom::object json, KsmExt& out) {
    const Members<ksm_names> object(json);
    out.run = in.counter(object, "run").value_or(0);
    out.shared_bytes = in.counter(object, "shared_bytes").value_or(0);
    out.saved_bytes = in.counter(object, "saved_bytes").value_or(0);
}

void read_cost(MemberReader& in, dom::object json, AgentCost& out) {
    const Members<cost_names> object(json);
    out.cpu_ns = in.counter(object, "cpu_ns");
    out.rss_bytes = in.counter(object, "rss_bytes");
    out.sample_ns = in.counter(object, "sample_ns");
    out.send_errors = in.counter(object, "send_errors");
    out.late_samples = in.counter(object, "late_samples");
    out.omitted_vms = in.counter(object, "omitted_vms");
    out.update_failures = in.counter(object, "update_failures");
    out.lost_completions = in.counter(object, "lost_completions");
    out.lost_issues = in.counter(object, "lost_issues");
    out.recursion_misses = in.counter(object, "recursion_misses");
    in.pairs(object, "programs", most_programs_or_maps, out.programs);
    in.pairs(object, "maps", most_programs_or_maps, out.maps);
}

void read_part(MemberReader& in, const Members<host_ext_names>& object, HostExt& out) {
    out.part.reset();
    dom::array array_of_two;
    if (!in.array(object, "part", Need::nothing, array_of_two)) return;
    std::uint64_t index = 0;
    std::uint64_t parts = 0;
    if (array_of_two.size() != 2 || array_of_two.at(0).get(index) != simdjson::SUCCESS ||
        array_of_two.at(1).get(parts) != simdjson::SUCCESS) {
        return in.fail(FrameFault::wrong_type, "part");
    }
    if (parts == 0 || parts > most_parts || index >= parts || !out.sample) {
        return in.fail(FrameFault::out_of_range, "part");
    }
    out.part = Part{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(parts)};
}

void read_missing(MemberReader& in, const Members<host_ext_names>& object, HostExt& out) {
    out.missing.clear();
    dom::object reasons;
    if (!in.sub_object(object, "missing", reasons)) return;
    if (reasons.size() > most_missing) return in.fail(FrameFault::out_of_range, "missing");
    for (const auto field : reasons) {
        std::string_view reason;
        if (field.value.get(reason) != simdjson::SUCCESS) {
            return in.fail(FrameFault::wrong_type, "missing");
        }
        if (field.key.size() > longest_name || reason.size() > longest_text) {
            return in.fail(FrameFault::out_of_range, "missing");
        }
        out.missing.emplace(field.key, reason);
    }
}

void read_host_ext(MemberReader& in, dom::object json, HostExt& out) {
    const Members<host_ext_names> object(json);
    in.optional_text(object, "id", out.id);
    out.boot = in.counter(object, "boot");
    out.interval_ms = in.counter(object, "interval_ms");
    in.optional_text(object, "source", out.source);
    out.sample = in.counter(object, "sample");
    read_part(in, object, out);
    read_missing(in, object, out);
    out.cpus = in.counter(object, "cpus");
    out.mem_total_bytes = in.counter(object, "mem_total_bytes");
    in.part_of(object, "pressure_us", out.pressure, read_pressure);
    in.part_of(object, "ksm", out.ksm, read_ksm);
    in.part_of(object, "self", out.self, read_cost);
}

void read_frame(MemberReader& in, dom::element root, Frame& out) {
    dom::object json;
    if (root.get(json) != simdjson::SUCCESS) return in.fail(FrameFault::not_object, {});
    const Members<frame_names> object(json);
    Host& host = out.host;
    in.name(object, "name", longest_name, host.name);
    if (const auto time = in.number(object, "time", Need::value)) {
        if (*time < 0 || *time > latest_time_s) return in.fail(FrameFault::out_of_range, "time");
        host.time = *time;
    }
    host.cpu = in.percent(object, "cpu");
    host.ram = in.percent(object, "ram");
    host.disk = in.percent(object, "disk");
    host.cputemp = in.temperature(object, "cputemp");
    host.mbtemp = in.temperature(object, "mbtemp");

    dom::array vms;
    if (!in.array(object, "vms", Need::value, vms)) return;
    in.each(vms, out.vms, read_vm);
    if (in.fault()) return;
    in.part_of(object, "ext", host.ext, read_host_ext);
}

}  // namespace

struct FrameParser::Impl {
    dom::parser parser{largest_datagram + simdjson::SIMDJSON_PADDING};
};

FrameParser::FrameParser() : impl_(std::make_unique<Impl>()) {
    if (impl_->parser.allocate(largest_datagram, deepest_nesting) != simdjson::SUCCESS) {
        throw std::bad_alloc();  // at start-up, where nothing can go on without it
    }
}
FrameParser::~FrameParser() = default;
FrameParser::FrameParser(FrameParser&&) noexcept = default;
FrameParser& FrameParser::operator=(FrameParser&&) noexcept = default;

std::optional<FrameError> FrameParser::parse(std::string_view json, Frame& frame) {
    if (json.size() > largest_datagram) return FrameError{FrameFault::too_long, {}};
    dom::element root;
    // Copied into the parser's own padded buffer: the datagram's has no room behind it.
    if (impl_->parser.parse(json.data(), json.size(), true).get(root) != simdjson::SUCCESS) {
        return FrameError{FrameFault::not_json, {}};
    }
    MemberReader in;
    read_frame(in, root, frame);
    return in.fault();
}

}  // namespace virtpulse::wire
