#include "userspace/proc/disk_busy.h"

#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

std::string line(const std::string& name, std::uint64_t io_ticks_ms) {
    return " 254 0 " + name + " 1 2 3 4 5 6 7 8 0 " + std::to_string(io_ticks_ms) +
           " 11 12 13 14 15 16 17\n";
}

}  // namespace

TEST_CASE("diskstats: the 10th counter") {
    const auto disk = parse_diskstats_line("   8       0 sda 1 2 3 4 5 6 7 8 9 1234 11");
    REQUIRE(disk);
    CHECK(disk->name == "sda");
    CHECK(disk->io_ticks_ms == 1234);
    CHECK(!parse_diskstats_line(""));
    CHECK(!parse_diskstats_line("8 0"));
    CHECK(!parse_diskstats_line("8 1 sda1 1 2 3 4"));  // partitions before Linux 2.6.25
    CHECK(!parse_diskstats_line("8 0 sda 1 2 3 4 5 6 7 8 9 x 11"));
}

TEST_CASE("disk busy percent") {
    CHECK(disk_busy_percent(1000, 1250, 1s) == 25.0);
    CHECK(disk_busy_percent(1000, 2500, 1s) == 100.0);
    CHECK(disk_busy_percent(0xffffff9c, 400, 1s) == 50.0);  // through the wrap at 2^32
    CHECK(!disk_busy_percent(1000, 10, 1s));
    CHECK(!disk_busy_percent(1000, 1000, 0s));
}

TEST_CASE("which block devices count") {
    const FakeTree tree;
    for (const auto* name : {"sda", "nvme0n1", "loop0", "zram0", "ram0", "cciss!c0d0"})
        tree.directory("sys/block/" + std::string(name) + "/slaves");
    tree.directory("sys/block/vda");
    tree.directory("sys/block/dm-0/slaves/sda");
    tree.directory("sys/block/md0/slaves/nvme0n1");
    for (const auto* name : {"sda", "nvme0n1", "vda", "cciss/c0d0"}) {
        CAPTURE(name);
        CHECK(is_whole_disk(tree.root(), name));
    }
    for (const auto* name : {"sda1", "loop0", "zram0", "ram0", "dm-0", "md0"}) {
        CAPTURE(name);
        CHECK(!is_whole_disk(tree.root(), name));
    }
}

TEST_CASE("the busiest disk, while disks come and go") {
    const FakeTree tree({{"proc/diskstats", line("sda", 100) + line("sda1", 0) + line("sdb", 0)}});
    tree.directory("sys/block/sda");
    tree.directory("sys/block/sdb");
    DiskBusy disks(tree.root());
    const std::chrono::steady_clock::time_point begin{};
    CHECK(disks.read(begin).value() == std::nullopt);

    tree.write("proc/diskstats", line("sda", 200) + line("sda1", 900) + line("sdb", 300));
    CHECK(disks.read(begin + 1s).value() == 30.0);

    tree.directory("sys/block/sdc");
    tree.write("proc/diskstats", line("sda", 400) + line("sdc", 5000));
    CHECK(disks.read(begin + 2s).value() == 20.0);  // sdc has no reading to compare with

    tree.write("proc/diskstats", line("sdb", 1000) + line("sdc", 5700));
    CHECK(disks.read(begin + 3s).value() == 70.0);  // sdb is new again

    tree.write("proc/diskstats", "");
    CHECK(disks.read(begin + 4s).value() == std::nullopt);
    tree.write("proc/diskstats", "garbage\n\x01\n");
    CHECK(disks.read(begin + 5s).value() == std::nullopt);
}

TEST_CASE("no diskstats is an error that names the file") {
    const FakeTree tree;
    const auto busy = DiskBusy(tree.root()).read({});
    REQUIRE(!busy);
    CHECK(busy.error().message.find("/proc/diskstats") != std::string::npos);
}
