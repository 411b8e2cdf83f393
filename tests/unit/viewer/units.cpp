#include "viewer/terminal/units.h"

#include <catch2/catch.hpp>

#include <limits>
#include <vector>

#include "base/terminal_text.h"

namespace virtpulse::viewer {
namespace {

// Numbers of every size from 0.01 up to `limit`.
std::vector<double> magnitudes(double limit) {
    std::vector<double> values{0.01};
    while (values.back() * 1.07 < limit)
        values.push_back(values.back() * 1.07);
    return values;
}

TEST_CASE("unknown figures are marked, not shown as 0") {
    CHECK(percent_text({}) == "—");
    CHECK(degrees_text({}) == "—");
    CHECK(rate_text({}) == "—");
    CHECK(bytes_rate_text({}) == "—");
    CHECK(memory_text({}, {}) == "—");
    CHECK(memory_text({}, 2048) == "—/2.0 MiB");
}

TEST_CASE("percent and degrees") {
    CHECK(percent_text(0) == "0.0");
    CHECK(percent_text(12.34) == "12.3");
    CHECK(percent_text(100) == "100.0");
    CHECK(percent_text(999.96) == "1000");
    CHECK(degrees_text(40.6) == "41");
}

TEST_CASE("rates take at most five columns") {
    CHECK(rate_text(0) == "0");
    CHECK(rate_text(0.04) == "0");
    CHECK(rate_text(3.21) == "3.2");
    CHECK(rate_text(9.96) == "10");
    CHECK(rate_text(9999) == "9999");
    CHECK(rate_text(9999.5) == "10.0k");
    CHECK(rate_text(99'960) == "100k");
    CHECK(rate_text(4'500'000) == "4.5M");
    for (const double value : magnitudes(9.9e8)) {
        CHECK(columns_of(rate_text(value)) <= 5);
    }
}

TEST_CASE("bytes are in binary units") {
    CHECK(bytes_rate_text(0) == "0");
    CHECK(bytes_rate_text(512) == "512 B/s");
    CHECK(bytes_rate_text(1023.6) == "1.0 KiB/s");
    CHECK(bytes_rate_text(1.25 * 1024 * 1024) == "1.2 MiB/s");
    CHECK(bytes_rate_text(700.0 * 1024 * 1024) == "700 MiB/s");
    for (const double value : magnitudes(1e15)) {
        CHECK(columns_of(bytes_rate_text(value)) <= 10);
    }
}

TEST_CASE("memory is in the unit of what the VM can be given") {
    CHECK(memory_text(1048576, 2097152) == "1.0/2.0 GiB");
    CHECK(memory_text(262144, 2097152) == "0.2/2.0 GiB");
    CHECK(memory_text(262144, 524288) == "256/512 MiB");
    CHECK(memory_text(262144, {}) == "256/— MiB");
    CHECK(memory_text(0, 0) == "0.0/0.0 B");
}

TEST_CASE("numbers beyond all sense stay short") {
    const double huge = std::numeric_limits<double>::max();
    CHECK(percent_text(huge).size() < 32);
    CHECK(rate_text(huge).size() < 32);
    CHECK(bytes_rate_text(huge).size() < 32);
    CHECK(memory_text(~std::uint64_t{0}, ~std::uint64_t{0}).size() < 64);
}

TEST_CASE("durations are in one unit") {
    CHECK(duration_text(-1) == "0 s");
    CHECK(duration_text(119.9) == "119 s");
    CHECK(duration_text(120) == "2 min");
    CHECK(duration_text(2 * 3600) == "2 h");
    CHECK(duration_text(48 * 3600) == "2 d");
}

}  // namespace
}  // namespace virtpulse::viewer
