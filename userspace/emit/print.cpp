#include "userspace/emit/print.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>

#include "base/terminal_text.h"
#include "wire/frame_codec.h"

namespace virtpulse::agent {
namespace {

constexpr std::string_view unknown = "—";

std::string_view state_word(wire::DomainState state) {
    constexpr std::array<std::string_view, 8> words{"no state", "running",       "blocked",
                                                    "paused",   "shutting down", "shut off",
                                                    "crashed",  "suspended"};
    return words.at(static_cast<std::size_t>(state));
}

std::string decimal(std::optional<double> value) {
    if (!value) return std::string(unknown);
    return fmt::format("{:.1f}", *value);
}

std::string whole(std::optional<std::uint64_t> value) {
    return value ? std::to_string(*value) : std::string(unknown);
}

std::string right(std::string_view text, std::size_t columns) {
    return " " + fitted(text, columns, Align::right);
}

std::optional<double> seconds(std::optional<std::uint64_t> ns) {
    return ns ? std::optional(static_cast<double>(*ns) / 1e9) : std::nullopt;
}

std::optional<double> mebibytes(std::optional<std::uint64_t> bytes) {
    return bytes ? std::optional(static_cast<double>(*bytes) / (1 << 20)) : std::nullopt;
}

// Over all devices; nothing where no device says it.
std::optional<std::uint64_t> total(const wire::VmExt& ext,
                                   std::optional<std::uint64_t> wire::BlockCounters::*member) {
    std::optional<std::uint64_t> sum;
    if (!ext.block) return std::nullopt;
    if (ext.block->empty()) return 0;  // it has used no device
    for (const auto& block : *ext.block) {
        if (const auto& value = block.*member) sum = sum.value_or(0) + *value;
    }
    return sum;
}

// What the BPF programs cost so far, where it was measured.
std::string kernel_side(const wire::AgentCost& cost) {
    std::string text;
    for (const auto& program : cost.programs) {
        if (program.runs == 0) continue;
        text += fmt::format("  {}: {} runs of {:.0f} ns\n", sanitised(program.name), program.runs,
                            static_cast<double>(program.ns) / static_cast<double>(program.runs));
    }
    for (const auto& map : cost.maps) {
        if (map.used * 2 > map.most) {
            text += fmt::format("  the map {} has {} of {} entries\n", sanitised(map.name),
                                map.used, map.most);
        }
    }
    return text;
}

// What the host lacked since it booted, and what merging saves it.
std::string pressure(const wire::HostExt& ext) {
    std::string text;
    const auto add = [&](std::string_view name, auto resource) {
        if (!ext.pressure || !((*ext.pressure).*resource)) return;
        text += fmt::format("  {} {:.1f} s", name,
                            static_cast<double>(((*ext.pressure).*resource)->some_us) / 1e6);
    };
    add("cpu", &wire::PressureExt::cpu);
    add("memory", &wire::PressureExt::memory);
    add("io", &wire::PressureExt::io);
    if (!text.empty()) text = "  pressure:" + text;
    if (ext.ksm && ext.ksm->saved_bytes > 0) {
        text += fmt::format("  samepage merging saves {:.1f} MiB",
                            static_cast<double>(ext.ksm->saved_bytes) / (1 << 20));
    }
    return text.empty() ? text : text + '\n';
}

// Cumulative, where there was any.
std::string lacked(const wire::VmExt& ext) {
    std::string text;
    const auto throttled_ns = ext.cgroup ? ext.cgroup->throttled_ns.value_or(0) : 0;
    if (throttled_ns > 0) {
        text += fmt::format("  throttled {:.1f} s", static_cast<double>(throttled_ns) / 1e9);
    }
    if (ext.major_faults.value_or(0) > 0) {
        text += fmt::format("  {} major faults", *ext.major_faults);
    }
    return text;
}

// Of the last interval: how long the longest waits were, and what for.
std::string waits(const wire::VmExt& ext) {
    if (!ext.wait) return right(unknown, 8);
    const auto& p99_ns = ext.wait->p99_ns;
    std::string text = right(
        p99_ns ? fmt::format("{:.3f}", static_cast<double>(*p99_ns) / 1e6) : std::string(unknown),
        8);
    if (p99_ns && !ext.wait->culprits.empty()) {
        const auto& worst = ext.wait->culprits.front();
        text += "  " + wire::culprit_text(worst.who, sanitised(worst.name));
    }
    return text;
}

}  // namespace

std::string frame_as_table(const wire::Frame& frame) {
    const auto& host = frame.host;
    std::string text = sanitised(host.name);
    text += "  cpu " + decimal(host.cpu) + " %  ram " + decimal(host.ram) + " %  disk " +
            decimal(host.disk) + " %  cpu temp " + decimal(host.cputemp) + " °C  board temp " +
            decimal(host.mbtemp) + " °C";
    if (host.ext && host.ext->source) text += "  by " + *host.ext->source;
    text += '\n';
    for (const auto& [what, why] :
         host.ext ? host.ext->missing : std::map<std::string, std::string>{}) {
        text += "  no " + sanitised(what) + ": " + sanitised(why) + '\n';
    }
    if (host.ext) text += pressure(*host.ext);
    if (host.ext && host.ext->self) text += kernel_side(*host.ext->self);
    text += "  " + fitted("vm", 24, Align::left) + " " + fitted("state", 13, Align::left) +
            right("cpu %", 7) + right("cpu s", 10) + right("delay s", 10) + right("switches", 10) +
            right("ram MiB", 8) + right("reads", 9) + right("read MiB", 10) + right("writes", 9) +
            right("write MiB", 10) + right("p99 ms", 8) + "  waits for\n";
    const wire::VmExt none;
    for (const auto& vm : frame.vms) {
        const auto& ext = vm.ext ? *vm.ext : none;
        text += "  " + fitted(sanitised(vm.name), 24, Align::left) + " " +
                fitted(state_word(vm.state), 13, Align::left) + right(decimal(vm.cpu), 7) +
                right(decimal(seconds(ext.cpu_ns)), 10) +
                right(decimal(seconds(ext.run_delay_ns)), 10) + right(whole(ext.switches), 10) +
                right(vm.ram ? std::to_string(*vm.ram / 1024) : std::string(unknown), 8) +
                right(whole(total(ext, &wire::BlockCounters::read_ops)), 9) +
                right(decimal(mebibytes(total(ext, &wire::BlockCounters::read_bytes))), 10) +
                right(whole(total(ext, &wire::BlockCounters::write_ops)), 9) +
                right(decimal(mebibytes(total(ext, &wire::BlockCounters::write_bytes))), 10) +
                waits(ext) + lacked(ext) + '\n';
    }
    return text;
}

bool print_frame(const wire::Frame& frame, const Options& options, std::ostream& out) {
    if (options.print == Print::table) {
        out << frame_as_table(frame) << '\n';
    } else {
        out << wire::sample_as_json(frame, options.frames) << '\n';
    }
    out.flush();
    return out.good();
}

}  // namespace virtpulse::agent
