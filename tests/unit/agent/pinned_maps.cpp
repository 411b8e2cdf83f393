#include "userspace/probe/pinned_maps.h"

#include <catch2/catch.hpp>

using namespace virtpulse::agent;

TEST_CASE("the table of maps says what each holds") {
    const std::vector<PinnedMap> maps{
        {"vm_block", "/b/virtpulse/v4/vm_block", 3, 8192, 4096 * 1024},
        {"vms", "/b/virtpulse/v4/vms", 2, 4096, std::nullopt},
        {"strange", "/b/virtpulse/v1/strange", 1, 1, 512},
    };
    const auto text = maps_as_table(maps);
    CHECK(text.find("/b/virtpulse/v4\n") == 0);
    CHECK(text.find("/b/virtpulse/v1\n") != std::string::npos);
    CHECK(text.find("3     8192    4096.0  block I/O by VM and disk") != std::string::npos);
    CHECK(text.find("—  processes that run VMs") != std::string::npos);
    CHECK(text.find("0.5  not known to this version") != std::string::npos);
}

TEST_CASE("no pinned map is an error that says where none is") {
    Root root;
    root.sysfs = "/nonexistent";
    const auto maps = list_pinned_maps(root);
    REQUIRE(!maps);
    CHECK(maps.error().message.find("/nonexistent/fs/bpf/virtpulse") != std::string::npos);
}
