#include "userspace/proc/cpu_times.h"

#include <array>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

enum Column { user, nice, system_, idle, iowait, irq, softirq, steal, column_count };
constexpr std::size_t fewest_columns = idle + 1;

bool parse_sum_line(std::string_view rest, CpuTimes& times) {
    std::array<std::uint64_t, column_count> column{};
    std::size_t count = 0;
    for (; count < column.size(); ++count) {
        const auto field = take_field(rest);
        if (field.empty()) break;
        const auto value = parse_number<std::uint64_t>(field);
        if (!value) return false;
        column[count] = *value;
    }
    times.idle_ticks = column[idle] + column[iowait];
    times.busy_ticks = column[user] + column[nice] + column[system_] + column[irq] +
                       column[softirq] + column[steal];
    return count >= fewest_columns;
}

}  // namespace

Result<CpuTimes> parse_cpu_times(std::string_view text) {
    CpuTimes times;
    bool has_sum = false;
    bool has_boot_time = false;
    while (!text.empty()) {
        auto line = take_until(text, '\n');
        const auto name = take_field(line);
        if (name == "cpu") {
            has_sum = parse_sum_line(line, times);
        } else if (name.starts_with("cpu")) {
            ++times.online_cpus;
        } else if (name == "btime") {
            const auto value = parse_number<std::uint64_t>(take_field(line));
            has_boot_time = value.has_value();
            times.boot_time_s = value.value_or(0);
        }
    }
    if (!has_sum) return Error{"/proc/stat: no line 'cpu' with four numbers or more"};
    if (!has_boot_time) return Error{"/proc/stat: no line 'btime' with a number"};
    return times;
}

std::optional<double> cpu_percent(const CpuTimes& before, const CpuTimes& now) {
    if (now.busy_ticks < before.busy_ticks || now.idle_ticks < before.idle_ticks)
        return std::nullopt;
    const auto busy = static_cast<double>(now.busy_ticks - before.busy_ticks);
    const auto idle = static_cast<double>(now.idle_ticks - before.idle_ticks);
    if (busy + idle <= 0) return std::nullopt;
    return 100 * busy / (busy + idle);
}

}  // namespace virtpulse::agent
