#include "userspace/proc/block_devices.h"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/block_stack.h"

using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::steady_clock::time_point started{};

// A whole disk, as sysfs has it.
void disk(const FakeTree& tree, const std::string& name, const std::string& number) {
    tree.directory("sys/devices/" + name + "/holders");
    tree.link("sys/class/block/" + name, "../../devices/" + name);
    tree.link("sys/dev/block/" + number, "../../devices/" + name);
}

void partition(const FakeTree& tree, const std::string& name, const std::string& of) {
    tree.write("sys/devices/" + of + "/" + name + "/partition", "1\n");
    tree.directory("sys/devices/" + of + "/" + name + "/holders");
    tree.link("sys/class/block/" + name, "../../devices/" + of + "/" + name);
}

void holds(const FakeTree& tree, const std::string& holder, const std::string& device) {
    tree.link("sys/devices/" + device + "/holders/" + holder, "../../../class/block/" + holder);
}

std::string diskstats(const std::string& number, const std::string& name) {
    return "   " + number + " " + name + " 1 2 3 4 5 6 7 8 9 10 11\n";
}

}  // namespace

TEST_CASE("a number given to another disk takes its name") {
    const FakeTree tree;
    disk(tree, "nvme0n1", "259:0");
    BlockDevices devices(tree.root());
    devices.begin(started);
    CHECK(devices.name_of(259, 0) == "nvme0n1");
    tree.remove("sys/dev/block/259:0");
    disk(tree, "nvme1n1", "259:0");
    devices.begin(started + 1s);
    CHECK(devices.name_of(259, 0) == "nvme0n1");  // asked again after two seconds
    devices.begin(started + 3s);
    CHECK(devices.name_of(259, 0) == "nvme1n1");
}

TEST_CASE("each of many devices has its turn") {
    const FakeTree tree;
    BlockDevices devices(tree.root());
    for (int i = 0; i < 20; ++i) {
        disk(tree, "old" + std::to_string(i), "8:" + std::to_string(i));
        devices.name_of(8, static_cast<std::uint32_t>(i));
    }
    for (int i = 0; i < 20; ++i)
        disk(tree, "new" + std::to_string(i), "8:" + std::to_string(i));
    for (int reading = 1; reading <= 3; ++reading)
        devices.begin(started + reading * 10s);
    for (int i = 0; i < 20; ++i)
        CHECK(devices.name_of(8, static_cast<std::uint32_t>(i)) == "new" + std::to_string(i));
}

TEST_CASE("a path of a multipath NVMe drive has no number in sysfs, but a name") {
    const FakeTree tree({{"proc/diskstats", diskstats("259       1", "nvme0n1") +
                                                diskstats("259       3", "nvme0c1n1")}});
    disk(tree, "nvme0n1", "259:1");
    BlockDevices devices(tree.root());
    CHECK(devices.name_of(259, 3) == "nvme0c1n1");
    CHECK(devices.name_of(259, 4) == "259:4");  // of a disk that has gone
    devices.find_above();
    CHECK(devices.above("nvme0c1n1").empty());  // the head makes no requests: nothing counts twice
}

TEST_CASE("a request-based multipath device is on top of its paths") {
    const FakeTree tree;
    for (const auto& [name, number] : {std::pair("sda", "8:0"), {"sdb", "8:16"}, {"dm-0", "254:0"}})
        disk(tree, name, number);
    holds(tree, "dm-0", "sda");
    holds(tree, "dm-0", "sdb");
    BlockDevices devices(tree.root());
    devices.begin(started);
    devices.name_of(8, 0);
    devices.find_above();
    CHECK(devices.above("sda").empty());  // no VM makes requests to dm-0, as far as is known
    devices.begin(started + 1s);
    devices.name_of(254, 0);
    devices.name_of(8, 16);
    devices.find_above();
    CHECK(devices.above("sda") == std::vector{DeviceAbove{"dm-0", false}});
    CHECK(devices.above("sdb") == std::vector{DeviceAbove{"dm-0", false}});
    CHECK(devices.above("dm-0").empty());
}

TEST_CASE("a mirror of partitions is on top of the disks, RAID 5 is not") {
    const FakeTree tree(
        {{"sys/devices/md0/md/level", "raid1\n"}, {"sys/devices/md1/md/level", "raid5\n"}});
    for (const auto& [name, number] :
         {std::pair("sda", "8:0"), {"sdb", "8:16"}, {"md0", "9:0"}, {"md1", "9:1"}})
        disk(tree, name, number);
    partition(tree, "sda1", "sda");
    partition(tree, "sda2", "sda");
    holds(tree, "md0", "sda/sda1");
    holds(tree, "md1", "sda/sda2");
    holds(tree, "md0", "sdb");
    CHECK(devices_above(tree.root(), "sda", {}) == std::vector{DeviceAbove{"md0", true}});
    CHECK(devices_above(tree.root(), "sdb", {}) == std::vector{DeviceAbove{"md0", true}});
    CHECK(whole_disk(tree.root(), "sda1") == "sda");
    CHECK(whole_disk(tree.root(), "sda") == "sda");
}

TEST_CASE("a loop device is on top of what its file is on, through all that is between") {
    const FakeTree tree(
        {{"proc/self/mountinfo",
          "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
          "23 22 254:7 / /var/lib rw shared:1 - ext4 /dev/mapper/vg-images rw\n"
          "24 22 0:45 / /btr rw - btrfs /dev/sdb1 rw\n"
          "25 22 0:46 / /net rw - nfs4 server:/images rw\n"},
         {"sys/devices/loop0/loop/backing_file", "/var/lib/images/a.raw\n"},
         {"sys/devices/loop1/loop/backing_file", "/dev/loop0\n"},
         {"sys/devices/loop2/loop/backing_file", "/btr/b.raw\n"},
         {"sys/devices/loop3/loop/backing_file", "/net/c.raw\n"},
         {"sys/devices/loop4/loop/backing_file", "/var/library/d.raw (deleted)\n"}});
    for (const auto& [name, number] : {std::pair("loop0", "7:0"),
                                       {"loop1", "7:1"},
                                       {"loop2", "7:2"},
                                       {"loop3", "7:3"},
                                       {"loop4", "7:4"},
                                       {"vda", "254:0"},
                                       {"dm-7", "254:7"},
                                       {"sdb", "8:16"}})
        disk(tree, name, number);
    partition(tree, "vda1", "vda");
    partition(tree, "sdb1", "sdb");
    tree.link("sys/dev/block/254:1", "../../devices/vda/vda1");
    holds(tree, "dm-7", "vda");
    const auto root = tree.root();
    CHECK(device_of_loop(root, "loop0") == "dm-7");
    CHECK(device_of_loop(root, "loop1") == "loop0");
    CHECK(device_of_loop(root, "loop2") == "sdb");
    CHECK(device_of_loop(root, "loop3").empty());
    CHECK(device_of_loop(root, "loop4") == "vda");
    CHECK(device_of_loop(root, "loop9").empty());
    const auto above = devices_above(root, "vda", {"vda", "loop0", "loop1"});
    CHECK(above == std::vector{DeviceAbove{"loop0", false}, DeviceAbove{"loop1", false}});
    CHECK(devices_above(root, "loop1", {"vda", "loop0", "loop1"}).empty());
}
