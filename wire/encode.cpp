#include <algorithm>
#include <span>

#include "wire/frame_codec.h"
#include "wire/json_writer.h"

namespace virtpulse::wire {
namespace {

// Length of the valid UTF-8 sequence at the start of `text`; 0 where there is none. RFC 3629:
// no overlong forms, no surrogates, nothing over U+10FFFF.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto follows = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xc0) == 0x80; };
    const unsigned char lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (lead == 0xe0 && byte(1) < 0xa0) return 0;
        if (lead == 0xed && byte(1) > 0x9f) return 0;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (lead == 0xf0 && byte(1) < 0x90) return 0;
        if (lead == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

void write_counts(JsonWriter& json, std::string_view key,
                  const std::vector<std::uint64_t>& counts) {
    if (counts.empty()) return;
    json.key(key);
    json.open('[');
    for (const auto count : counts)
        json.number(count);
    json.close(']');
}

// What a VM says that does not fit a datagram otherwise, each without what those after it are
// without as well. Of histograms the quantiles say the most.
enum class Detail {
    standard,
    without_waits,
    without_cgroup,
    without_histograms,
    without_vcpus,
    extended
};

void write_block_times(JsonWriter& json, const BlockCounters& block, Detail detail) {
    json.member("read_queue_ns", block.read_queue_ns);
    json.member("read_device_ns", block.read_device_ns);
    json.member("write_queue_ns", block.write_queue_ns);
    json.member("write_device_ns", block.write_device_ns);
    json.member("flush_ns", block.flush_ns);
    json.member("discard_ns", block.discard_ns);
    json.member("untimed_ops", block.untimed_ops);
    if (detail > Detail::without_histograms) {
        write_counts(json, "read_latency", block.read_latency);
        write_counts(json, "write_latency", block.write_latency);
    }
    json.member("read_p50_ns", block.read_p50_ns);
    json.member("read_p99_ns", block.read_p99_ns);
    json.member("write_p50_ns", block.write_p50_ns);
    json.member("write_p99_ns", block.write_p99_ns);
    json.member("ahead_ns", block.ahead_ns);
    if (block.ahead.empty()) return;
    json.key("ahead");
    json.open('[');
    for (const auto& [who, ns] : block.ahead) {
        json.open('[');
        json.string(who, longest_uuid);
        json.number(ns);
        json.close(']');
    }
    json.close(']');
}

void write_block(JsonWriter& json, const BlockCounters& block, Detail detail) {
    json.open('{');
    json.key("dev");
    json.string(block.device, 64);
    json.member("read_ops", block.read_ops);
    json.member("read_bytes", block.read_bytes);
    json.member("write_ops", block.write_ops);
    json.member("write_bytes", block.write_bytes);
    json.member("flush_ops", block.flush_ops);
    json.member("discard_ops", block.discard_ops);
    json.member("busy_ns", block.busy_ns);
    json.member("in_flight", block.in_flight);
    write_block_times(json, block, detail);
    json.close('}');
}

void write_kvm(JsonWriter& json, const KvmCounters& kvm) {
    json.key("kvm");
    json.open('{');
    json.member("exits", kvm.exits);
    json.member("guest_ns", kvm.guest_ns);
    json.member("outside_ns", kvm.outside_ns);
    json.member("halt_wait_ns", kvm.halt_wait_ns);
    json.member("halt_poll_ns", kvm.halt_poll_ns);
    json.member("halt_poll_wasted_ns", kvm.halt_poll_wasted_ns);
    if (!kvm.reasons.empty()) {
        json.key("reasons");
        json.open('[');
        for (const auto& [reason, exits, outside_ns] : kvm.reasons) {
            json.open('[');
            json.string(reason, longest_uuid);
            json.number(exits);
            json.number(outside_ns);
            json.close(']');
        }
        json.close(']');
    }
    json.close('}');
}

void write_wait(JsonWriter& json, const WaitExt& wait, Detail detail) {
    json.key("wait");
    json.open('{');
    if (detail > Detail::without_histograms) {
        json.key("counts");
        json.open('[');
        for (const auto count : wait.counts)
            json.number(count);
        json.close(']');
    }
    json.member("merged", wait.merged);
    if (wait.phantom_ns != 0) json.member("phantom_ns", wait.phantom_ns);
    json.member("p50_ns", wait.p50_ns);
    json.member("p99_ns", wait.p99_ns);
    json.key("by_ns");
    json.open('{');
    for (std::size_t i = 0; i < wait_classes.size(); ++i) {
        if (wait.by_ns[i] != 0) json.member(wait_classes[i], wait.by_ns[i]);
    }
    json.close('}');
    json.key("culprits");
    json.open('[');
    for (const auto& culprit : wait.culprits) {
        json.open('{');
        json.key("who");
        json.string(culprit.who, 16);
        if (!culprit.name.empty()) {
            json.key("name");
            json.string(culprit.name, longest_name);
        }
        json.member("ns", culprit.ns);
        json.member("waits", culprit.waits);
        json.close('}');
    }
    json.close(']');
    json.close('}');
}

void write_role(JsonWriter& json, const RoleExt& role) {
    json.key("role");
    json.open('{');
    json.member("vcpu_ns", role.vcpu_ns);
    json.member("emulator_ns", role.emulator_ns);
    json.member("io_ns", role.io_ns);
    json.member("vhost_ns", role.vhost_ns);
    json.close('}');
}

void write_pressure(JsonWriter& json, const PressureExt& pressure) {
    const auto write = [&](std::string_view name, const std::optional<Stall>& stall) {
        if (!stall) return;
        json.key(name);
        json.open('[');
        json.number(stall->some_us);
        if (stall->full_us) json.number(*stall->full_us);
        json.close(']');
    };
    json.key("pressure_us");
    json.open('{');
    write("cpu", pressure.cpu);
    write("memory", pressure.memory);
    write("io", pressure.io);
    json.close('}');
}

void write_cgroup(JsonWriter& json, const CgroupExt& cgroup) {
    json.key("cgroup");
    json.open('{');
    json.member("age_ms", cgroup.age_ms);
    json.member("periods", cgroup.periods);
    json.member("throttled_periods", cgroup.throttled_periods);
    json.member("throttled_ns", cgroup.throttled_ns);
    if (cgroup.pressure) write_pressure(json, *cgroup.pressure);
    json.close('}');
}

void write_vcpus(JsonWriter& json, const std::vector<VcpuExt>& vcpus) {
    if (vcpus.empty()) return;
    json.key("vcpu");
    json.open('[');
    for (const auto& vcpu : vcpus) {
        json.open('[');
        json.number(vcpu.number);
        json.number(vcpu.cpu_ns);
        json.number(vcpu.run_delay_ns);
        if (vcpu.wait_p50_ns && vcpu.wait_p99_ns) {
            json.number(*vcpu.wait_p50_ns);
            json.number(*vcpu.wait_p99_ns);
        }
        json.close(']');
    }
    json.close(']');
}

void write_vm_ext(JsonWriter& json, const VmExt& ext, Detail detail) {
    json.key("ext");
    json.open('{');
    json.member("pid", ext.pid);
    json.member("start", ext.start);
    json.member("since", ext.since);
    json.member("vcpus", ext.vcpus);
    json.member("threads", ext.threads);
    json.member("cpu_ns", ext.cpu_ns);
    json.member("run_delay_ns", ext.run_delay_ns);
    json.member("switches", ext.switches);
    json.member("rss_bytes", ext.rss_bytes);
    if (ext.block) {
        json.key("block");
        json.open('[');
        for (const auto& block : *ext.block)
            write_block(json, block, detail);
        json.close(']');
    }
    if (ext.kvm) write_kvm(json, *ext.kvm);
    if (ext.role) write_role(json, *ext.role);
    if (ext.wait && detail > Detail::without_waits) write_wait(json, *ext.wait, detail);
    json.member("cpu_moves", ext.cpu_moves);
    json.member("node_moves", ext.node_moves);
    json.member("major_faults", ext.major_faults);
    if (ext.cgroup && detail > Detail::without_cgroup) write_cgroup(json, *ext.cgroup);
    json.member("smt_shared_vcpus_sampled", ext.smt_shared_vcpus_sampled);
    if (detail > Detail::without_vcpus) write_vcpus(json, ext.vcpu);
    json.close('}');
}

void write_vm(JsonWriter& json, const Vm& vm, Detail detail) {
    json.open('{');
    json.key("name");
    json.string(vm.name, longest_name);
    json.key("uuid");
    json.string(vm.uuid, longest_uuid);
    json.key("state");
    json.number(static_cast<std::uint64_t>(vm.state));
    json.member_or_null("cpu", vm.cpu);
    json.member_or_null("ram", vm.ram);
    json.member_or_null("maxram", vm.maxram);
    if (vm.ext && detail != Detail::standard) write_vm_ext(json, *vm.ext, detail);
    json.close('}');
}

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

// All of the host object up to and with "vms":[ .
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

// The heads of all parts but the first differ in the number of the part alone.
struct LaterHead {
    std::string before;  // that number
    std::string after;
};

LaterHead later_head(const Host& host, Detail detail, std::uint32_t count) {
    std::string text;
    write_head(host, detail, Part{1, count}, text);
    constexpr std::string_view mark = R"("part":[)";  // inside a string its quotes are escaped
    const auto number = text.find(mark) + mark.size();
    return {text.substr(0, number), text.substr(number + 1)};
}

constexpr std::string_view tail = "]}";

}  // namespace

void append_json_text(std::string_view text, std::size_t longest, std::string& out) {
    constexpr std::string_view replacement = "\xef\xbf\xbd";
    constexpr std::string_view hex = "0123456789abcdef";
    const std::size_t limit = out.size() + longest;
    // Most of what is ever said needs nothing of all that.
    const auto is_plain = [](char c) { return c >= 0x20 && c != 0x7f && c != '"' && c != '\\'; };
    if (text.size() <= longest && std::ranges::all_of(text, is_plain)) {
        out += text;
        return;
    }
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        const auto first = static_cast<unsigned char>(text[0]);
        char escaped[6] = {'\\', 'u', '0', '0', hex[first >> 4 & 0xf], hex[first & 0xf]};
        std::string_view piece = text.substr(0, length);
        if (length == 0) {
            piece = replacement;
        } else if (first == '"' || first == '\\') {
            escaped[1] = static_cast<char>(first);
            piece = {escaped, 2};
        } else if (first < 0x20 || first == 0x7f) {
            piece = {escaped, sizeof escaped};
        }
        if (out.size() + piece.size() > limit) return;
        out += piece;
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
}

std::string sample_as_json(const Frame& sample, FrameStyle style) {
    const Detail detail = style == FrameStyle::extended ? Detail::extended : Detail::standard;
    std::string text;
    write_head(sample.host, detail, std::nullopt, text);
    JsonWriter json(text);
    for (const auto& vm : sample.vms)
        write_vm(json, vm, detail);
    text += tail;
    return text;
}

void encode_sample(const Frame& sample, FrameStyle style, std::size_t max_datagram,
                   EncodedSample& out, std::size_t overhead) {
    const bool extended = style == FrameStyle::extended && sample.host.ext;
    const Detail detail = extended ? Detail::extended : Detail::standard;
    const std::size_t limit = (extended ? max_datagram : largest_datagram) - overhead;
    out.omitted_vms = 0;

    // Measured with `part` in its widest form, so that no part is past the limit once numbered.
    std::string head;
    const auto room_beside_head = [&](std::uint32_t index) {
        head.clear();
        write_head(sample.host, detail,
                   extended ? std::optional(Part{index, most_parts}) : std::nullopt, head);
        const std::size_t taken = head.size() + tail.size() + 4;  // "[0," grows to "[65535,"
        return limit > taken ? limit - taken : 0;
    };
    std::size_t room = room_beside_head(0);
    const std::size_t room_later = extended ? room_beside_head(1) : room;

    // The VMs as texts, then as many in each part as there is room for.
    auto& vms = out.vms;
    auto& parts = out.parts;
    vms.clear();
    parts.clear();
    std::size_t part_begin = 0;
    for (const auto& vm : sample.vms) {
        const std::size_t end = vms.size();
        if (end > part_begin) vms += ',';
        const std::size_t begin = vms.size();
        const auto write = [&](Detail how_much) {
            vms.resize(begin);
            JsonWriter json(vms);
            write_vm(json, vm, how_much);
            return vms.size() - begin;
        };
        std::size_t size = write(detail);
        for (const auto less : {Detail::without_vcpus, Detail::without_histograms,
                                Detail::without_cgroup, Detail::without_waits, Detail::standard}) {
            if (size <= room_later || !extended) break;
            size = write(less);
        }
        const bool fits_here = end - part_begin + 1 + size <= room;
        const bool may_open_part = extended && size <= room_later;
        if (!fits_here && !may_open_part) {
            ++out.omitted_vms;
            vms.resize(end);
            continue;
        }
        if (!fits_here) {
            parts.push_back({part_begin, end});
            part_begin = begin;
            room = room_later;
        }
    }
    parts.push_back({part_begin, vms.size()});

    const auto count = static_cast<std::uint32_t>(parts.size());
    const bool in_parts = extended && count > 1;
    head.clear();
    write_head(sample.host, detail, in_parts ? std::optional(Part{0, count}) : std::nullopt, head);
    const auto later = in_parts ? later_head(sample.host, detail, count) : LaterHead{};
    out.json.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string& text = out.json[i];
        if (i == 0) {
            text = head;
        } else {
            text = later.before;
            JsonWriter(text).number(std::uint64_t{i});
            text += later.after;
        }
        text.append(vms, parts[i].begin, parts[i].end - parts[i].begin);
        text += tail;
    }
}

}  // namespace virtpulse::wire
