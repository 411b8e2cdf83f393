#include "userspace/proc/temperatures.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

namespace fs = std::filesystem;

constexpr auto look_again_after = std::chrono::minutes(1);
// A sensor that can never be read must not make every sample a search.
constexpr auto look_again_after_failure = std::chrono::seconds(10);

// Entries of `directory` called `prefix` and a number, by that number, so that "temp10_input" comes
// after "temp2_input".
std::map<unsigned, fs::path> numbered(const fs::path& directory, std::string_view prefix,
                                      std::string_view suffix) {
    std::map<unsigned, fs::path> found;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const auto file_name = entry->path().filename().string();
        std::string_view name = file_name;
        if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
        name.remove_prefix(prefix.size());
        if (name.size() < suffix.size()) continue;
        name.remove_suffix(suffix.size());
        if (const auto number = parse_number<unsigned>(name)) found.emplace(*number, entry->path());
    }
    return found;
}

std::string first_line(const fs::path& path) {
    std::string buffer;
    const auto text = read_file(path, buffer);
    return text ? std::string(trim(*text)) : std::string();
}

bool begins_with_one_of(std::string_view text, std::initializer_list<std::string_view> beginnings) {
    return std::ranges::any_of(beginnings,
                               [text](std::string_view with) { return text.starts_with(with); });
}

}  // namespace

std::optional<SensorRole> sensor_role(std::string_view chip, std::string_view label) {
    using enum SensorPlace;
    if (begins_with_one_of(chip, {"coretemp", "k10temp", "k8temp", "zenpower", "via_cputemp",
                                  "cpu_thermal", "cpu-thermal", "soc_thermal"})) {
        // One for the whole processor rather than for each core or die.
        const bool whole = begins_with_one_of(label, {"Package", "Tctl", "Tdie"});
        return SensorRole{cpu, whole ? 0 : 1};
    }
    // Of some boards the chip is unknown but the label is not.
    if (begins_with_one_of(label, {"SYSTIN", "MB", "Motherboard", "Mainboard", "System"}))
        return SensorRole{board, 0};
    if (begins_with_one_of(chip, {"nct", "it8", "w83", "f71", "asus"})) {
        if (label.empty()) return SensorRole{board, 1};
        // As good as nothing else: boards scale it in ways of their own.
        if (label.starts_with("CPU")) return SensorRole{cpu, 2};
        return std::nullopt;
    }
    if (chip == "acpitz") return SensorRole{board, 2};
    return std::nullopt;
}

std::optional<SensorRole> zone_role(std::string_view type) {
    using enum SensorPlace;
    if (begins_with_one_of(type, {"x86_pkg_temp", "cpu", "soc"})) return SensorRole{cpu, 0};
    if (type == "acpitz") return SensorRole{board, 0};
    return std::nullopt;
}

std::optional<double> parse_temperature(std::string_view text) {
    const auto thousandths = parse_number<std::int64_t>(trim(text));
    if (!thousandths || *thousandths < -40'000 || *thousandths > 150'000) return std::nullopt;
    return static_cast<double>(*thousandths) / 1000;
}

TemperatureReading Temperatures::read(std::chrono::steady_clock::time_point now) {
    if (!looked_ || now - *looked_ >= look_again_after) {
        look_for_sensors();
        looked_ = now;
    }
    struct Best {
        std::optional<double> celsius;
        int rank = 0;
    };
    Best cpu;
    Best board;
    bool failed = false;
    for (auto& sensor : sensors_) {
        const auto text = sensor.file.read();
        failed = failed || !text;
        const auto celsius = text ? parse_temperature(*text) : std::nullopt;
        if (!celsius) continue;
        const bool of_cpu = sensor.role.place == SensorPlace::cpu;
        auto& best = of_cpu ? cpu : board;
        if (!best.celsius || sensor.role.rank < best.rank) {
            best = {celsius, sensor.role.rank};
        } else if (of_cpu && sensor.role.rank == best.rank) {
            best.celsius = std::max(best.celsius, celsius);
        }
    }
    if (failed && now - *looked_ >= look_again_after_failure) looked_.reset();
    return {cpu.celsius, board.celsius};
}

void Temperatures::look_for_sensors() {
    sensors_.clear();
    look_in_hwmon();
    look_in_thermal_zones();
}

void Temperatures::look_in_hwmon() {
    for (const auto& [number, chip] : numbered(root_.sysfs + "/class/hwmon", "hwmon", "")) {
        const auto name = first_line(chip / "name");
        for (const auto& [index, input] : numbered(chip, "temp", "_input")) {
            const auto label = first_line(chip / ("temp" + std::to_string(index) + "_label"));
            if (const auto role = sensor_role(name, label))
                sensors_.push_back({*role, ReusedFile(input)});
        }
    }
}

void Temperatures::look_in_thermal_zones() {
    // Only for what hwmon has no sensor of: zones are coarser, and often the same sensor again.
    const std::array hwmon_has{has(SensorPlace::cpu), has(SensorPlace::board)};
    for (const auto& [number, zone] :
         numbered(root_.sysfs + "/class/thermal", "thermal_zone", "")) {
        const auto role = zone_role(first_line(zone / "type"));
        if (role && !hwmon_has[static_cast<std::size_t>(role->place)])
            sensors_.push_back({*role, ReusedFile(zone / "temp")});
    }
}

bool Temperatures::has(SensorPlace place) const {
    return std::ranges::any_of(sensors_,
                               [place](const Sensor& s) { return s.role.place == place; });
}

}  // namespace virtpulse::agent
