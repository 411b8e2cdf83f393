#include "userspace/proc/process_cgroup.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse::agent;

namespace {

std::uint64_t inode(const FakeTree& tree, std::string_view path) {
    struct stat status {};
    REQUIRE(::stat(tree.path(path).c_str(), &status) == 0);
    return status.st_ino;
}

void set_mounts(const FakeTree& tree, bool with_blkio) {
    std::string text = "40 1 0:36 / " + tree.path("sys/fs/cgroup/unified").string() +
                       " rw,relatime shared:5 - cgroup2 cgroup2 rw\n";
    if (with_blkio) {
        text += "41 1 0:37 / " + tree.path("sys/fs/cgroup/blkio").string() +
                " rw,relatime - cgroup cgroup rw,blkio\n";
    }
    tree.write("proc/self/mountinfo", text);
}

std::vector<std::uint64_t> block_cgroups(const Root& root, pid_t pid) {
    return own_block_cgroups(root, read_cgroup_mounts(root), pid);
}

std::vector<std::uint64_t> sorted(std::vector<std::uint64_t> ids) {
    std::ranges::sort(ids);
    return ids;
}

}  // namespace

TEST_CASE("/proc/PID/cgroup") {
    const auto both = parse_process_cgroups(
        "7:cpu,cpuacct:/a\n6:io,blkio:/machine/qemu-1-a.libvirt-qemu/emulator\n"
        "1:name=systemd:/blkio\n0::/x:y\n");
    CHECK(both.blkio == "/machine/qemu-1-a.libvirt-qemu/emulator");
    CHECK(both.cpu == "/a");
    CHECK(both.unified == "/x:y");
    for (const auto* text : {"", "0", "0:", "0::", "0::relative", "::", "6:blkio", "x\n\n:::\n"}) {
        CAPTURE(text);
        const auto none = parse_process_cgroups(text);
        CHECK(!none.blkio);
        CHECK((!none.unified || none.unified->starts_with('/')));
    }
}

TEST_CASE("cgroup mounts") {
    const auto mounts = parse_cgroup_mounts(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "36 31 0:33 /docker/1 /sys/fs/cgroup/my\\040blkio rw shared:9 master:1 - cgroup none "
        "rw,blkio\n"
        "41 31 0:37 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n"
        "42 31 0:37 / /elsewhere rw - cgroup2 cgroup2 rw\n"
        "cut off\n 1 2 3");
    REQUIRE(mounts.cpu);
    CHECK(mounts.cpu->point == "/sys/fs/cgroup/cpu");
    REQUIRE(mounts.blkio);
    CHECK(mounts.blkio->root == "/docker/1");
    CHECK(mounts.blkio->point == "/sys/fs/cgroup/my blkio");
    REQUIRE(mounts.unified);
    CHECK(mounts.unified->point == "/sys/fs/cgroup/unified");
}

TEST_CASE("the VM's topmost cgroup") {
    CHECK(vm_cgroup("/machine/qemu-1-a.libvirt-qemu/emulator") == "/machine/qemu-1-a.libvirt-qemu");
    CHECK(vm_cgroup("/machine.slice/machine-qemu\\x2d1\\x2da.scope/libvirt/vcpu12") ==
          "/machine.slice/machine-qemu\\x2d1\\x2da.scope");
    CHECK(vm_cgroup("/qemu.slice/100.scope") == "/qemu.slice/100.scope");
    CHECK(vm_cgroup("/a/vcpux") == "/a/vcpux");
    for (const auto* path :
         {"", "/", "/machine", "/machine.slice", "/machine/emulator", "/libvirt", "/vcpu0",
          "/user.slice/user-0.slice/session-3.scope", "/init.scope", "/..", "relative"}) {
        CAPTURE(path);
        CHECK(!vm_cgroup(path));
    }
}

TEST_CASE("cgroup ids of a VM that has a directory to itself") {
    const FakeTree tree;
    const std::string v1 = "sys/fs/cgroup/blkio/machine/qemu-1-a.libvirt-qemu";
    const std::string v2 = "sys/fs/cgroup/unified/machine.slice/a.scope";
    tree.write(
        "proc/7/cgroup",
        "3:blkio:/machine/qemu-1-a.libvirt-qemu\n0::/machine.slice/a.scope/libvirt/emulator\n");
    tree.write(v1 + "/cgroup.procs", "7\n");
    tree.write(v2 + "/cgroup.procs", "");
    for (const auto* nested : {"/libvirt", "/libvirt/emulator", "/libvirt/vcpu0"})
        tree.write(v2 + nested + "/cgroup.procs", "7\n");

    SECTION("v1") {
        set_mounts(tree, true);
        CHECK(block_cgroups(tree.root(), 7) == std::vector{inode(tree, v1)});
    }
    SECTION("v2, with what libvirt nests in it") {
        set_mounts(tree, false);
        CHECK(sorted(block_cgroups(tree.root(), 7)) ==
              sorted({inode(tree, v2), inode(tree, v2 + "/libvirt"),
                      inode(tree, v2 + "/libvirt/emulator"), inode(tree, v2 + "/libvirt/vcpu0")}));
    }
    SECTION("another process in it, however deep") {
        set_mounts(tree, false);
        tree.write(v2 + "/libvirt/emulator/cgroup.procs", "7\n8\n");
        CHECK(block_cgroups(tree.root(), 7).empty());
    }
    SECTION("another process in a directory that libvirt made for the VM works for it") {
        set_mounts(tree, true);
        tree.write(v1 + "/cgroup.procs", "7\n8\n");
        CHECK(block_cgroups(tree.root(), 7) == std::vector{inode(tree, v1)});
    }
    SECTION("the directory or the process has gone") {
        set_mounts(tree, true);
        tree.remove(v1);
        CHECK(block_cgroups(tree.root(), 7).empty());
        CHECK(block_cgroups(tree.root(), 9).empty());
    }
    SECTION("no cgroups") {
        CHECK(block_cgroups(tree.root(), 7).empty());
    }
}

TEST_CASE("a hierarchy of which only a part is mounted") {
    const FakeTree tree;
    tree.write("proc/self/mountinfo", "40 1 0:36 /docker/1 " + tree.path("sys/cg").string() +
                                          " rw - cgroup2 cgroup2 rw\n");
    tree.write("sys/cg/vm/cgroup.procs", "7\n");
    tree.write("proc/7/cgroup", "0::/docker/1/vm\n");
    CHECK(block_cgroups(tree.root(), 7) == std::vector{inode(tree, "sys/cg/vm")});
    tree.write("proc/7/cgroup", "0::/docker/12/vm\n");
    CHECK(block_cgroups(tree.root(), 7).empty());
}
