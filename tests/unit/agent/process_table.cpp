#include "userspace/inventory/process_table.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse::agent;

namespace {

constexpr std::string_view qemu = "/usr/bin/qemu-system-x86_64";
const std::string named_a("kvm\0-name\0a\0", 12);
const std::string named_b("kvm\0-name\0b\0", 12);

}  // namespace

TEST_CASE("the process table lists VMs and nothing else") {
    const FakeTree tree;
    tree.process(10, qemu, named_a, 500);
    tree.process(11, "/bin/sleep", std::string("sleep\0kvm\0", 10), 500);
    tree.process(12, qemu, std::string("kvm\0-machine\0none\0", 18), 500);
    tree.process(13, qemu, named_a, 500, 'Z');
    ProcessTable table(tree.root());
    const pid_t candidates[] = {10, 11, 12, 13, 14};
    table.update(candidates);
    REQUIRE(table.processes().size() == 1);
    const auto& process = table.processes()[0];
    CHECK(process.key == ProcessKey{10, 500});
    const auto ticks = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    CHECK(process.start_ns == 500 * (1'000'000'000 / ticks));
    CHECK(process.rss_bytes == 25 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
    CHECK(process.comm == "qemu) x86)");
    CHECK(process.guest.name == "a");
}

TEST_CASE("a process is read once, and dropped when it ends") {
    const FakeTree tree;
    tree.process(10, qemu, named_a, 500);
    ProcessTable table(tree.root());
    const pid_t candidates[] = {10};
    table.update(candidates);
    tree.write("proc/10/cmdline", named_b);
    table.update(candidates);
    REQUIRE(table.processes().size() == 1);
    CHECK(table.processes()[0].guest.name == "a");
    CHECK(table.processes()[0].major_faults == 0);
    tree.write("proc/10/stat", "10 (q) S 1 1 1 0 -1 1 1 1 42 1 1 1 1 1 20 0 3 0 500 1 26 0\n");
    table.update({});
    CHECK(table.processes()[0].major_faults == 42);
    CHECK(table.processes()[0].rss_bytes ==
          26 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));

    SECTION("it need not be named again") {
        table.update({});
        CHECK(table.processes().size() == 1);
    }
    SECTION("a zombie has ended") {
        tree.write("proc/10/stat", FakeTree::stat(10, 500, 'Z'));
        table.update(candidates);
        CHECK(table.processes().empty());
    }
    SECTION("another process with its pid") {
        tree.write("proc/10/stat", FakeTree::stat(10, 900));
        table.update(candidates);
        REQUIRE(table.processes().size() == 1);
        CHECK(table.processes()[0].key == ProcessKey{10, 900});
        CHECK(table.processes()[0].guest.name == "b");
    }
    SECTION("a stat that makes no sense") {
        tree.write("proc/10/stat", "10 (");
        table.update({});
        CHECK(table.processes().empty());
    }
}

TEST_CASE("of many that are known to live some are looked at in turn, and all that are not named") {
    const FakeTree tree;
    constexpr auto count = static_cast<pid_t>(2 * ProcessTable::least_in_turn + 1);
    std::vector<pid_t> live;
    for (pid_t pid = 1; pid <= count; ++pid) {
        tree.process(pid, qemu, named_a, 500);
        live.push_back(pid);
    }
    ProcessTable table(tree.root());
    table.update(live, true);
    CHECK(table.processes().size() == count);
    for (pid_t pid = 1; pid <= count; ++pid)
        tree.write("proc/" + std::to_string(pid) + "/stat", FakeTree::stat(pid, 500, 'Z'));
    const auto left_after = [&](std::span<const pid_t> candidates, bool all_live) {
        table.update(candidates, all_live);
        return table.processes().size();
    };
    SECTION("in turn") {
        CHECK(left_after(live, true) == ProcessTable::least_in_turn + 1);
        CHECK(left_after(live, true) == 1);
        CHECK(left_after(live, true) == 0);
    }
    SECTION("what is not named has ended, perhaps") {
        CHECK(left_after(std::span(live).first(1), true) == 0);
    }
    SECTION("all, where a candidate may be dead") {
        CHECK(left_after(live, false) == 0);
    }
}

TEST_CASE("a process on its way to be a qemu is looked at again") {
    const FakeTree tree;
    const pid_t candidates[] = {10};
    ProcessTable table(tree.root());
    tree.process(10, "/usr/sbin/libvirtd", std::string("libvirtd\0", 9), 500);
    table.update(candidates);
    CHECK(table.processes().empty());
    tree.process(10, qemu, "", 500);
    table.update(candidates);
    CHECK(table.processes().empty());
    tree.process(10, qemu, named_a, 500);
    table.update(candidates);
    REQUIRE(table.processes().size() == 1);
    CHECK(table.processes()[0].guest.name == "a");
}
