// How hot the host is: the sensors of SYSFS/class/hwmon, else the zones of SYSFS/class/thermal.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "userspace/proc/file.h"
#include "userspace/proc/root.h"

namespace virtpulse::agent {

enum class SensorPlace : std::uint8_t { cpu, board };

// What a sensor measures and how well: of several sensors of a place those with the lowest rank
// count.
struct SensorRole {
    SensorPlace place;
    int rank;

    bool operator==(const SensorRole&) const = default;
};

// By the driver's name and the sensor's label ("" where it has none); nothing for all the sensors
// of disks, graphics cards and the like, and for inputs that boards leave unconnected.
std::optional<SensorRole> sensor_role(std::string_view chip, std::string_view label);
// The same of a thermal zone, by its type.
std::optional<SensorRole> zone_role(std::string_view type);

// Thousandths of a degree, as the kernel writes them, in °C; nothing for what is no number or
// implausible (below -40 or above 150: inputs that are not connected).
std::optional<double> parse_temperature(std::string_view text);

struct TemperatureReading {
    std::optional<double> cpu_celsius;    // the hottest of the best sensors
    std::optional<double> board_celsius;  // the first of the best sensors
};

// Looks for sensors now and then, and keeps the files of those that it found open.
class Temperatures {
  public:
    explicit Temperatures(const Root& root) : root_(root) {}

    TemperatureReading read(std::chrono::steady_clock::time_point now);

  private:
    struct Sensor {
        SensorRole role;
        ReusedFile file;
    };

    void look_for_sensors();
    void look_in_hwmon();
    void look_in_thermal_zones();
    [[nodiscard]] bool has(SensorPlace place) const;

    Root root_;
    std::vector<Sensor> sensors_;
    std::optional<std::chrono::steady_clock::time_point> looked_;
};

}  // namespace virtpulse::agent
