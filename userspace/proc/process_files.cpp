#include "userspace/proc/process_files.h"

#include <unistd.h>

#include <array>
#include <optional>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

}  // namespace

Schedstat& Schedstat::operator+=(const Schedstat& other) {
    run_ns += other.run_ns;
    run_delay_ns += other.run_delay_ns;
    switches += other.switches;
    return *this;
}

Schedstat& Schedstat::operator-=(const Schedstat& other) {
    run_ns -= other.run_ns;
    run_delay_ns -= other.run_delay_ns;
    switches -= other.switches;
    return *this;
}

Result<Schedstat> parse_schedstat(std::string_view text) {
    auto line = trim(text);
    const auto run = parse_number<std::uint64_t>(take_field(line));
    const auto delay = parse_number<std::uint64_t>(take_field(line));
    const auto switches = parse_number<std::uint64_t>(take_field(line));
    if (!run || !delay || !switches) return Error{"schedstat: three numbers expected"};
    return Schedstat{*run, *delay, *switches};
}

Result<ProcessStat> parse_process_stat(std::string_view text) {
    // Only the last bracket ends the name: "12 (a) b) R ..." is a process called "a) b".
    const auto open = text.find('(');
    const auto close = text.rfind(')');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
        return Error{"stat: no name in brackets"};
    ProcessStat stat;
    stat.comm = text.substr(open + 1, close - open - 1);

    // Numbered as in proc(5), where the name is field 2.
    constexpr std::size_t state_field = 3;
    constexpr std::size_t major_faults_field = 12;
    constexpr std::size_t threads_field = 20;
    constexpr std::size_t start_field = 22;
    constexpr std::size_t rss_field = 24;
    auto rest = trim(text.substr(close + 1));
    std::array<std::string_view, rss_field + 1> field{};
    for (auto at = state_field; at < field.size(); ++at)
        field[at] = take_field(rest);
    const auto faults = parse_number<std::uint64_t>(field[major_faults_field]);
    const auto threads = parse_number<std::uint64_t>(field[threads_field]);
    const auto start = parse_number<std::uint64_t>(field[start_field]);
    const auto rss = parse_number<std::int64_t>(field[rss_field]);
    if (field[state_field].size() != 1 || !faults || !threads || !start || !rss)
        return Error{"stat: cut short, or not numbers where numbers should be"};
    stat.state = field[state_field].front();
    stat.major_faults = *faults;
    stat.threads = *threads;
    stat.start_ticks = *start;
    // The kernel's per-CPU counters may add up to less than nothing for a moment.
    stat.rss_pages = *rss > 0 ? static_cast<std::uint64_t>(*rss) : 0;
    return stat;
}

Result<ProcessIo> parse_process_io(std::string_view text) {
    std::optional<std::uint64_t> read;
    std::optional<std::uint64_t> write;
    while (!text.empty()) {
        auto rest = take_until(text, '\n');
        const auto name = take_until(rest, ':');
        if (name == "read_bytes") read = parse_number<std::uint64_t>(take_field(rest));
        if (name == "write_bytes") write = parse_number<std::uint64_t>(take_field(rest));
    }
    if (!read || !write) return Error{"io: no read_bytes or no write_bytes"};
    return ProcessIo{*read, *write};
}

Result<std::uint64_t> parse_uptime_ns(std::string_view text) {
    const auto seconds = parse_number<double>(take_field(text));
    constexpr double most_s = 1e9;
    if (!seconds || !(*seconds >= 0) || *seconds > most_s)
        return Error{"uptime: does not begin with a number of seconds"};
    return static_cast<std::uint64_t>(*seconds * static_cast<double>(ns_per_s));
}

std::uint64_t ticks_to_ns(std::uint64_t ticks) {
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return ticks / per_second * ns_per_s + ticks % per_second * (ns_per_s / per_second);
}

std::uint64_t ns_to_ticks(std::uint64_t ns) {
    return ns / ticks_to_ns(1);
}

std::string task_file(const Root& root, std::uint32_t pid, std::uint32_t tid,
                      std::string_view name) {
    return root.procfs + "/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/" +
           std::string(name);
}

}  // namespace virtpulse::agent
