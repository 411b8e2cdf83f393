#include "userspace/proc/process_files.h"

#include <catch2/catch.hpp>

#include <cstdint>
#include <string>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/directory.h"
#include "userspace/proc/executable.h"
#include "userspace/proc/file.h"

using namespace virtpulse::agent;

TEST_CASE("schedstat") {
    CHECK(parse_schedstat("1467242 12 3\n").value() == Schedstat{1467242, 12, 3});
    for (const auto* text : {"", "1 2", "1 2 x", "-1 2 3", "18446744073709551616 1 1", "\n"}) {
        CAPTURE(text);
        CHECK(!parse_schedstat(text));
    }
}

TEST_CASE("stat, with whatever name") {
    const std::string rest = " S 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 4 0 4711 230872 390 1 2\n";
    for (const auto* comm : {"qemu-system-x86", "(a) b)", "", ")", "a b c", "x) R 1 1", "\n"}) {
        CAPTURE(comm);
        const auto text = "42 (" + std::string(comm) + ")" + rest;
        const auto stat = parse_process_stat(text);
        REQUIRE(stat.has_value());
        CHECK(stat->comm == comm);
        CHECK(stat->state == 'S');
        CHECK(stat->threads == 4);
        CHECK(stat->start_ticks == 4711);
        CHECK(stat->rss_pages == 390);
        CHECK(stat->major_faults == 7);
        CHECK(!stat->is_dead());
    }
    const auto text = "42 (x)" + rest;
    for (std::size_t cut = 0; cut < text.find(" 390"); ++cut)
        CHECK(!parse_process_stat(text.substr(0, cut)));
    CHECK(!parse_process_stat("42 )x(" + rest));
}

TEST_CASE("stat of a zombie, and a resident size below nothing") {
    const auto stat = parse_process_stat("1 (z) Z 1 2 3 0 -1 4 5 6 7 8 9 10 11 12 20 0 1 0 9 0 -3");
    REQUIRE(stat.has_value());
    CHECK(stat->is_dead());
    CHECK(stat->rss_pages == 0);
}

TEST_CASE("io") {
    const auto io = parse_process_io(
        "rchar: 1\nwchar: 2\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\n"
        "cancelled_write_bytes: 1\n");
    REQUIRE(io.has_value());
    CHECK(io->read_bytes == 4096);
    CHECK(io->write_bytes == 8192);
    CHECK(!parse_process_io("read_bytes: 4096\n"));
    CHECK(!parse_process_io("read_bytes: x\nwrite_bytes: 1\n"));
    CHECK(!parse_process_io(""));
}

TEST_CASE("uptime") {
    CHECK(parse_uptime_ns("12.50 3.00\n").value() == 12'500'000'000);
    for (const auto* text : {"", "x", "-1 2", "nan 1", "inf 1", "1e300 1"}) {
        CAPTURE(text);
        CHECK(!parse_uptime_ns(text));
    }
}

TEST_CASE("hypervisors by program") {
    for (const auto* path :
         {"/usr/bin/qemu-system-x86_64", "/usr/libexec/qemu-kvm", "kvm", "/usr/bin/kvm",
          "/usr/bin/qemu-system-aarch64 (deleted)", "qemu-system-x86_64-headless"}) {
        CAPTURE(path);
        CHECK(is_hypervisor_program(path));
    }
    for (const auto* path : {"", "/", "/usr/bin/qemu-img", "/usr/bin/qemu-x86_64", "/opt/kvm/top",
                             "kvm-nx-lpage", "/usr/bin/qemu-system-x86_64/helper"}) {
        CAPTURE(path);
        CHECK(!is_hypervisor_program(path));
    }
}

TEST_CASE("hypervisors by process") {
    const FakeTree tree;
    tree.process(1, "/usr/bin/qemu-system-x86_64 (deleted)", "", 1);
    tree.process(2, "/usr/bin/.qemu-wrapped", std::string("/usr/bin/kvm\0-m\0", 16), 1);
    tree.process(3, "/bin/sleep", std::string("sleep\0qemu-kvm\0", 15), 1);
    tree.write("proc/4/cmdline", "");  // a kernel thread has no executable
    CHECK(runs_hypervisor(tree.root(), 1));
    CHECK(runs_hypervisor(tree.root(), 2));
    CHECK(!runs_hypervisor(tree.root(), 3));
    CHECK(!runs_hypervisor(tree.root(), 4));
    CHECK(!runs_hypervisor(tree.root(), 5));
}

TEST_CASE("a file that is kept open gives its text as it is now") {
    const FakeTree tree({{"proc/x", "one"}});
    ReusedFile file(tree.path("proc/x").string());
    CHECK(file.read().value() == "one");
    tree.write("proc/x", std::string(10000, 'y'));
    CHECK(file.read().value() == std::string(10000, 'y'));
    tree.write("proc/x", "");
    CHECK(file.read().value().empty());
    tree.write("proc/x", "short");
    CHECK(file.read_one_short().value() == "short");
    tree.write("proc/x", std::string(4096, 'z'));
    CHECK(file.read_one_short().value() == std::string(4096, 'z'));

    ReusedFile late(tree.path("proc/late").string());
    const auto missing = late.read();
    REQUIRE(!missing);
    CHECK(is_gone(missing.error()));
    CHECK(missing.error().message.find("proc/late") != std::string::npos);
    tree.write("proc/late", "there");
    CHECK(late.read().value() == "there");
}

TEST_CASE("a file without end is refused") {
    std::string buffer;
    const auto text = read_file("/dev/zero", buffer);
    REQUIRE(!text);
    CHECK(buffer.size() <= longest_proc_file);
}

TEST_CASE("numbered directories") {
    const FakeTree tree;
    for (const auto* name : {"1", "22", "4194304", "self", "0", "-3", "12x", "99999999999"})
        tree.directory("proc/" + std::string(name));
    auto directory = NumberedDirectory::open(tree.root().procfs);
    REQUIRE(directory.has_value());
    std::vector<NumberedDirectory::Entry> entries;
    for (int again = 0; again < 2; ++again) {
        REQUIRE(directory->list(entries).has_value());
        std::vector<pid_t> numbers;
        for (const auto& entry : entries)
            numbers.push_back(entry.number);
        CHECK_THAT(numbers, Catch::UnorderedEquals(std::vector<pid_t>{1, 22, 4194304}));
    }
    CHECK(!NumberedDirectory::open(tree.root().procfs + "/none"));
}
