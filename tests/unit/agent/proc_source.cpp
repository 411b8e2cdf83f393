#include "userspace/proc/proc_source.h"

#include <unistd.h>

#include <catch2/catch.hpp>

#include <string>

#include "tests/unit/agent/fake_tree.h"
#include "userspace/proc/file.h"

using namespace virtpulse::agent;

namespace {

constexpr std::string_view qemu = "/usr/bin/qemu-system-x86_64";

std::string io(std::uint64_t read, std::uint64_t written) {
    return "rchar: 1\nread_bytes: " + std::to_string(read) +
           "\nwrite_bytes: " + std::to_string(written) + "\n";
}

// A host that has run for 100 s, with one VM that began after 50 s.
struct Host : FakeTree {
    const std::uint64_t ticks_per_s = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    const ProcessKey vm{10, 50 * ticks_per_s};

    Host() : FakeTree({{"proc/uptime", "100.00 50.00\n"}, {"proc/self/schedstat", "1 1 1\n"}}) {
        process(vm.pid, qemu, std::string("kvm\0", 4), vm.start_ticks);
        thread(vm.pid, 10, "1000 10 1\n");
        thread(vm.pid, 11, "2000 20 2\n");
        write("proc/10/io", io(4096, 8192));
    }
};

VmCounters read_one(ProcSource& source) {
    SourceReport report;
    REQUIRE(source.read(report).has_value());
    REQUIRE(report.vms.size() == 1);
    return report.vms[0];
}

}  // namespace

TEST_CASE("counters of a VM count from the first watch") {
    const Host host;
    auto source = ProcSource::make(host.root()).value();
    CHECK(source->name() == "proc");
    REQUIRE(source->watch({&host.vm, 1}).has_value());
    auto vm = read_one(*source);
    CHECK(vm.process == host.vm);
    CHECK(!vm.since_birth);
    CHECK(vm.cpu_ns == 0);
    CHECK(vm.threads == 2);

    host.thread(10, 11, "2500 25 4\n");
    host.write("proc/10/io", io(5096, 8192));
    vm = read_one(*source);
    CHECK(vm.cpu_ns == 500);
    CHECK(vm.run_delay_ns == 5);
    CHECK(vm.switches == 2);
    REQUIRE(vm.block);
    REQUIRE(vm.block->size() == 1);
    CHECK(vm.block->at(0).device == "total");
    CHECK(vm.block->at(0).read_bytes == 1000);
    CHECK(vm.block->at(0).write_bytes == 0);
    CHECK(!vm.block->at(0).read_ops);

    REQUIRE(source->watch({&host.vm, 1}).has_value());  // the same set: nothing begins anew
    CHECK(read_one(*source).cpu_ns == 500);
}

TEST_CASE("threads are born and go, the sum never goes back") {
    const Host host;
    auto source = ProcSource::make(host.root()).value();
    REQUIRE(source->watch({&host.vm, 1}).has_value());

    host.thread(10, 9, "300 3 1\n");
    host.thread(10, 12, "400 4 1\n");
    auto vm = read_one(*source);
    CHECK(vm.cpu_ns == 700);
    CHECK(vm.threads == 4);

    host.remove("proc/10/task/11");
    host.remove("proc/10/task/9");
    vm = read_one(*source);
    CHECK(vm.cpu_ns == 700);
    CHECK(vm.threads == 2);

    host.thread(10, 12, "50 1 1\n");  // another thread has its number
    vm = read_one(*source);
    CHECK(vm.cpu_ns == 750);
    CHECK(vm.run_delay_ns == 8);

    host.thread(10, 12, "garbage\n");
    vm = read_one(*source);
    CHECK(vm.cpu_ns == 750);
    CHECK(vm.threads == 1);
}

TEST_CASE("a VM that begins under our eyes counts from its birth") {
    const Host host;
    auto source = ProcSource::make(host.root()).value();
    host.write("proc/uptime", "103.00 50.00\n");
    const ProcessKey young{20, 101 * host.ticks_per_s};
    host.process(20, qemu, std::string("kvm\0", 4), young.start_ticks);
    host.thread(20, 20, "700 7 1\n");
    host.write("proc/20/io", io(512, 0));
    REQUIRE(source->watch({&young, 1}).has_value());
    const auto vm = read_one(*source);
    CHECK(vm.since_birth);
    CHECK(vm.cpu_ns == 700);
    CHECK(vm.block->at(0).read_bytes == 512);
}

TEST_CASE("processes that vanish are left out") {
    const Host host;
    auto source = ProcSource::make(host.root()).value();
    const ProcessKey both[] = {host.vm, {77, 1}};
    REQUIRE(source->watch(both).has_value());
    SourceReport report;
    REQUIRE(source->read(report).has_value());
    CHECK(report.vms.size() == 1);
    host.remove("proc/10");
    REQUIRE(source->read(report).has_value());
    CHECK(report.vms.empty());

    const ProcessKey other_start{10, 1};
    const Host again;
    source = ProcSource::make(again.root()).value();
    REQUIRE(source->watch({&other_start, 1}).has_value());
    REQUIRE(source->read(report).has_value());
    CHECK(report.vms.empty());
    REQUIRE(source->watch({}).has_value());
}

TEST_CASE("I/O that may not be read is missing, not nothing") {
    const Host host;
    host.write("proc/10/io", "");
    auto source = ProcSource::make(host.root()).value();
    REQUIRE(source->watch({&host.vm, 1}).has_value());
    SourceReport report;
    REQUIRE(source->read(report).has_value());
    REQUIRE(report.vms.size() == 1);
    CHECK(!report.vms[0].block);
    CHECK(report.missing.contains("io"));
}

TEST_CASE("candidates: hypervisors, found whenever they become one") {
    const Host host;
    host.process(30, "/bin/sh", std::string("sh\0", 3), 1);
    host.write("proc/40/cmdline", "");
    auto source = ProcSource::make(host.root()).value();
    CHECK(source->candidates().value() == std::vector<pid_t>{10});

    host.link("proc/30/exe", qemu);
    CHECK_THAT(source->candidates().value(), Catch::UnorderedEquals(std::vector<pid_t>{10, 30}));

    SECTION("also long after they began") {
        for (int i = 0; i < 20; ++i)
            REQUIRE(source->candidates().has_value());
        host.link("proc/40/exe", qemu);
        bool found = false;
        for (int i = 0; i < 16 && !found; ++i)
            found = source->candidates().value().size() == 3;
        CHECK(found);
    }
    SECTION("until they end") {
        host.remove("proc/10");
        CHECK(source->candidates().value() == std::vector<pid_t>{30});
    }
    SECTION("another process with the pid") {
        host.directory("proc/new");
        host.link("proc/new/exe", "/bin/sh");
        host.remove("proc/10");
        std::filesystem::rename(host.path("proc/new"), host.path("proc/10"));
        CHECK(source->candidates().value() == std::vector<pid_t>{30});
    }
}

TEST_CASE("a /proc without what is needed says so") {
    const FakeTree tree;
    CHECK(!ProcSource::make(tree.root()));
    tree.write("proc/uptime", "1.00 1.00\n");
    const auto source = ProcSource::make(tree.root());
    REQUIRE(!source);
    CHECK(source.error().message.find("CONFIG_SCHED_INFO") != std::string::npos);
    CHECK(!ProcSource::make({tree.root().procfs + "/none", tree.root().sysfs}));
}

TEST_CASE("without files to keep open the threads' sum is the same") {
    const Host host;
    OpenFileBudget budget(1);
    std::vector<NumberedDirectory::Entry> scratch;
    {
        ThreadSum threads(NumberedDirectory::open(host.path("proc/10/task").string()).value(),
                          budget);
        REQUIRE(threads.update(scratch).has_value());
        CHECK(threads.sum() == Schedstat{3000, 30, 3});
        CHECK(!budget.take());
        host.thread(10, 11, "2001 20 3\n");
        host.remove("proc/10/task/10");
        REQUIRE(threads.update(scratch).has_value());
        CHECK(threads.sum() == Schedstat{3001, 30, 4});
    }
    CHECK(budget.take());  // given back
    CHECK(!budget.take());
}

TEST_CASE("this very process, from the real /proc") {
    auto source = ProcSource::make({}).value();
    std::string buffer;
    const auto text = read_file("/proc/self/stat", buffer).value();
    const ProcessKey self{::getpid(), parse_process_stat(text).value().start_ticks};
    REQUIRE(source->watch({&self, 1}).has_value());
    const auto before = read_one(*source).cpu_ns;
    // Burn until the kernel's own counter moves; it does so at each tick.
    std::uint64_t now = before;
    while (now == before)
        now = read_one(*source).cpu_ns;
    CHECK(now > before);
    CHECK(read_one(*source).threads >= 1);
}
