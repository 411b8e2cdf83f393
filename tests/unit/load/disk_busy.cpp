#include "tools/load/disk_busy.h"

#include <stdlib.h>
#include <sys/sysmacros.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace virtpulse::load;

namespace {

constexpr auto kDiskstats =
    "   8       0 sda 10 0 80 5 20 0 160 7 0 41 12 0 0 0 0 0 0\n"
    "   8       1 sda1 9 0 72 5 20 0 160 7 0 40 12 0 0 0 0 0 0\n"
    " 254      80 vdf 1 2 3 4 5 6 7 8 9\n"
    " 254       8 vda 1 2 3 4 5 6 7 8 9 4294967295 11\n";

class FakeSys {
  public:
    FakeSys() {
        std::string name = "/tmp/virtpulse-sys-XXXXXX";
        root_ = mkdtemp(name.data());
        const auto disk = root_ / "devices/sda";
        std::filesystem::create_directories(disk / "sda1");
        std::filesystem::create_directories(root_ / "dev/block");
        std::ofstream(disk / "dev") << "8:0\n";
        std::ofstream(disk / "sda1/dev") << "8:1\n";
        std::ofstream(disk / "sda1/partition") << "1\n";
        std::filesystem::create_symlink(disk, root_ / "dev/block/8:0");
        std::filesystem::create_symlink(disk / "sda1", root_ / "dev/block/8:1");
    }
    FakeSys(const FakeSys&) = delete;
    FakeSys& operator=(const FakeSys&) = delete;
    ~FakeSys() { std::filesystem::remove_all(root_); }
    [[nodiscard]] std::string path() const { return root_; }

  private:
    std::filesystem::path root_;
};

}  // namespace

TEST_CASE("a disk is found in diskstats by its number") {
    const auto sda = find_disk(kDiskstats, "8:0");
    REQUIRE(sda.has_value());
    CHECK(sda->name == "sda");
    CHECK(sda->busy_ms == 41);
    CHECK(find_disk(kDiskstats, "8:1")->busy_ms == 40);
    const auto vda = find_disk(kDiskstats, "254:8");
    REQUIRE(vda.has_value());
    CHECK(vda->name == "vda");
    CHECK(vda->busy_ms == 4294967295U);
}

TEST_CASE("a disk that is not there, or whose line is short, is not found") {
    for (const auto* device : {"8:2", "254:80", "0:0", "", "8", "8:"}) {
        CAPTURE(device);
        CHECK_FALSE(find_disk(kDiskstats, device).has_value());
    }
    CHECK_FALSE(find_disk("", "8:0").has_value());
}

TEST_CASE("a partition leads to its disk, all else to itself") {
    const FakeSys sys;
    CHECK(whole_disk("8:1", sys.path()) == "8:0");
    CHECK(whole_disk("8:0", sys.path()) == "8:0");
    CHECK(whole_disk("253:0", sys.path()) == "253:0");
    CHECK(whole_disk("8:1", "/nonexistent") == "8:1");
}

TEST_CASE("a device number is written as the kernel does") {
    CHECK(device_number(makedev(254, 17)) == "254:17");
}
