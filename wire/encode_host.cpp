#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "wire/encode_objects.h"
#include "wire/frame_codec.h"

namespace virtpulse::wire {
namespace {

void write_self(JsonWriter& json, const AgentCost& cost) {
    json.key("self");
    json.open('{');
    json.member("cpu_ns", cost.cpu_ns);
    json.member("rss_bytes", cost.rss_bytes);
    json.member("sample_ns", cost.sample_ns);
    json.member("send_errors", cost.send_errors);
    json.member("late_samples", cost.late_samples);
    json.member("omitted_vms", cost.omitted_vms);
    json.member("update_failures", cost.update_failures);
    json.member("lost_completions", cost.lost_completions);
    json.member("lost_issues", cost.lost_issues);
    json.member("recursion_misses", cost.recursion_misses);
    const auto write_pairs = [&](std::string_view key, const auto& rows, auto first, auto second) {
        if (rows.empty()) return;
        json.key(key);
        json.open('{');
        for (const auto& row : rows) {
            json.text_key(row.name, longest_name);
            json.open('[');
            json.number(row.*first);
            json.number(row.*second);
            json.close(']');
        }
        json.close('}');
    };
    write_pairs("programs", cost.programs, &ProgramCost::runs, &ProgramCost::ns);
    write_pairs("maps", cost.maps, &MapUse::used, &MapUse::most);
    json.close('}');
}

void write_host_ext(JsonWriter& json, const HostExt& ext, const std::optional<Part>& part) {
    constexpr std::size_t longest_text = 255;
    json.key("ext");
    json.open('{');
    if (ext.id) {
        json.key("id");
        json.string(*ext.id, longest_text);
    }
    json.member("boot", ext.boot);
    json.member("interval_ms", ext.interval_ms);
    if (ext.source) {
        json.key("source");
        json.string(*ext.source, longest_text);
    }
    json.member("sample", ext.sample);
    if (part) {
        json.key("part");
        json.open('[');
        json.number(std::uint64_t{part->index});
        json.number(std::uint64_t{part->count});
        json.close(']');
    }
    if (part && part->index > 0) {  // the rest is said once, in the first part
        json.close('}');
        return;
    }
    if (!ext.missing.empty()) {
        json.key("missing");
        json.open('{');
        for (const auto& [source, reason] : ext.missing) {
            json.text_key(source, longest_name);
            json.string(reason, longest_text);
        }
        json.close('}');
    }
    json.member("cpus", ext.cpus);
    json.member("mem_total_bytes", ext.mem_total_bytes);
    if (ext.pressure) write_pressure(json, *ext.pressure);
    if (ext.ksm) {
        json.key("ksm");
        json.open('{');
        json.member("run", ext.ksm->run);
        json.member("shared_bytes", ext.ksm->shared_bytes);
        json.member("saved_bytes", ext.ksm->saved_bytes);
        json.close('}');
    }
    if (ext.self) write_self(json, *ext.self);
    json.close('}');
}

}  // namespace

void write_head(const Host& host, Detail detail, const std::optional<Part>& part,
                std::string& out) {
    JsonWriter json(out);
    json.open('{');
    json.key("name");
    json.string(host.name, longest_name);
    json.key("time");
    json.number(host.time);
    json.member_or_null("cpu", host.cpu);
    json.member_or_null("ram", host.ram);
    json.member_or_null("disk", host.disk);
    json.member_or_null("cputemp", host.cputemp);
    json.member_or_null("mbtemp", host.mbtemp);
    if (host.ext && detail == Detail::extended) write_host_ext(json, *host.ext, part);
    json.key("vms");
    out += '[';
}

}  // namespace virtpulse::wire
