#include "tools/load/machine_memory.h"

#include <catch2/catch.hpp>

using namespace virtpulse::load;

TEST_CASE("memory of the machine") {
    const auto room = parse_meminfo("MemTotal:  2000 kB\nMemFree: 10 kB\nMemAvailable:   500 kB\n");
    REQUIRE(room.has_value());
    CHECK(room->total_bytes == 2048000);
    CHECK(room->available_bytes == 512000);
    CHECK(parse_meminfo("").has_error());
    CHECK(parse_meminfo("MemTotal: 5 kB\n").has_error());
    CHECK(parse_meminfo("MemTotal: x kB\nMemAvailable: 5 kB\n").has_error());
}

TEST_CASE("groups that limit memory, in both hierarchies, up to the root") {
    using Groups = std::vector<std::string>;
    CHECK(memory_groups("0::/a/b\n") ==
          Groups{"/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"});
    CHECK(memory_groups("0::/\n") == Groups{"/sys/fs/cgroup"});
    CHECK(memory_groups("9:name=systemd:/x\n5:cpu,memory:/m\n4:devices:/d\n") ==
          Groups{"/sys/fs/cgroup/memory/m", "/sys/fs/cgroup/memory"});
    CHECK(memory_groups("").empty());
    CHECK(memory_groups("nonsense\n::\n0:\n:memory:no/slash\n") ==
          Groups{"/sys/fs/cgroup", "/sys/fs/cgroup/memory"});
}

TEST_CASE("a group's limit narrows the room") {
    const MemoryRoom machine{1000, 800};
    const auto group = narrowed(machine, "600\n", "250\n", "active_file 30\ninactive_file 50\n");
    CHECK(group.total_bytes == 600);
    CHECK(group.available_bytes == 400);

    const auto full = narrowed(machine, "600", "700", "");
    CHECK(full.total_bytes == 600);
    CHECK(full.available_bytes == 0);

    const auto wide = narrowed(machine, "9223372036854771712", "5", "");
    CHECK(wide.total_bytes == 1000);
    CHECK(wide.available_bytes == 800);

    for (const auto* limit : {"max\n", "", "x"}) {
        CAPTURE(limit);
        const auto none = narrowed(machine, limit, "250", "");
        CHECK(none.total_bytes == 1000);
        CHECK(none.available_bytes == 800);
    }
}

TEST_CASE("this machine has memory") {
    const auto room = memory_room();
    REQUIRE(room.has_value());
    CHECK(room->available_bytes > 0);
    CHECK(room->available_bytes <= room->total_bytes);
}
