#include "userspace/inventory/qemu_command_line.h"

#include <catch2/catch.hpp>

#include <string>

#include "userspace/inventory/derived_uuid.h"

using namespace virtpulse::agent;

namespace {

// Words parted by blanks, as one writes them; '_' stands for a blank within a word.
std::string words(std::string_view line) {
    std::string cmdline;
    for (const char c : line)
        cmdline += c == ' ' ? '\0' : c == '_' ? ' ' : c;
    return cmdline + '\0';
}

constexpr auto uuid = "c7a5fdbd-cdaf-9455-926a-d65c16db1809";
constexpr std::uint64_t mib = 1024;  // KiB

struct Case {
    std::string what;
    std::string line;
    QemuGuest guest;
};

}  // namespace

TEST_CASE("command lines of virtual machines") {
    const auto c = GENERATE(values<Case>({
        {"libvirt",
         "/usr/bin/qemu-system-x86_64 -name guest=web,,1,debug-threads=on -S -object "
         "{\"qom-type\":\"secret\",\"id\":\"masterKey0\"} -machine "
         "pc-q35-7.2,usb=off,dump-guest-core=off -accel kvm -cpu host,migratable=on -m "
         "size=2097152k,slots=16,maxmem=16777216k -overcommit mem-lock=off -smp "
         "2,maxcpus=8,sockets=8,cores=1,threads=1 -uuid c7a5fdbd-cdaf-9455-926a-d65c16db1809 "
         "-no-user-config -nodefaults -rtc base=utc -no-shutdown -sandbox on,obsolete=deny "
         "-incoming defer -msg timestamp=on",
         {"web,1", uuid, 2, 2048 * mib, 16384 * mib}},
        {"libvirt 6, memory in MiB",
         "/usr/libexec/qemu-kvm -name guest=db,process=qemu:db,debug-threads=on -m 4096 -realtime "
         "mlock=off -smp 4,sockets=1,cores=4,threads=1 -uuid C7A5FDBD-CDAF-9455-926A-D65C16DB1809",
         {"db", uuid, 4, 4096 * mib, 4096 * mib}},
        {"Proxmox",
         "/usr/bin/kvm -id 100 -name mail,debug-threads=on -no-shutdown -chardev "
         "socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off -mon "
         "chardev=qmp,mode=control -pidfile /var/run/qemu-server/100.pid -daemonize -smbios "
         "type=1,uuid=c7a5fdbd-cdaf-9455-926a-d65c16db1809 -smp 4,sockets=2,cores=2,maxcpus=4 "
         "-nodefaults -m 2048 -machine type=pc+pve0",
         {"mail", uuid, 4, 2048 * mib, 2048 * mib}},
        {"Proxmox without a name",
         "/usr/bin/kvm -id 101 -m 512",
         {"101", "", 1, 512 * mib, 512 * mib}},
        {"by hand",
         "qemu-system-x86_64 -enable-kvm -m 2G -smp 2 disk.qcow2 -name lab",
         {"lab", "", 2, 2048 * mib, 2048 * mib}},
        {"by hand, nothing said",
         "qemu-system-x86_64 disk.qcow2",
         {"", "", 1, 128 * mib, 128 * mib}},
        {"two dashes",
         "qemu-system-arm --name x --m 1.5G --smp cpus=3,maxcpus=6",
         {"x", "", 3, 1536 * mib, 1536 * mib}},
        {"Kata",
         "/opt/kata/bin/qemu-system-x86_64 -name sandbox-0a1b,debug-threads=on -uuid "
         "c7a5fdbd-cdaf-9455-926a-d65c16db1809 -machine q35,accel=kvm,nvdimm=on -cpu host,pmu=off "
         "-qmp unix:fd=3,server=on,wait=off -m 2048M,slots=10,maxmem=65536M -device pci-bridge "
         "-append tsc=reliable_-name_no -no-user-config -nodefaults -nographic --no-reboot "
         "-object memory-backend-ram,id=dimm1,size=2048M -smp "
         "1,cores=1,threads=1,sockets=4,maxcpus=4",
         {"sandbox-0a1b", uuid, 1, 2048 * mib, 65536 * mib}},
        {"text that looks like options",
         "kvm -append --version -name -h -m 64",
         {"-h", "", 1, 64 * mib, 64 * mib}},
        {"topology alone",
         "kvm -smp sockets=2,cores=3,threads=2",
         {"", "", 12, 128 * mib, 128 * mib}},
        {"most alone", "kvm -smp maxcpus=6,sockets=1", {"", "", 6, 128 * mib, 128 * mib}},
        {"the last one counts",
         "kvm -m 64 -m 256 -name a -name guest=b",
         {"b", "", 1, 256 * mib, 256 * mib}},
        {"mem= and bytes",
         "kvm -m mem=1073741824B,maxmem=2147483648",
         {"", "", 1, 1024 * mib, 2048 * mib}},
        {"unreadable figures",
         "kvm -smp many -m lots -uuid 12 -name \xff\xfe",
         {"\xff\xfe", "", {}, {}, {}}},
        {"absurd figures", "kvm -smp 99999999999999999999 -m 1e300G", {"", "", {}, {}, {}}},
        {"no vCPU", "kvm -smp 0", {"", "", {}, 128 * mib, 128 * mib}},
        {"a value that is missing", "kvm -m 64 -name", {"", "", 1, 64 * mib, 64 * mib}},
        {"an empty name",
         "kvm -m 64 -name guest=,debug-threads=on",
         {"", "", 1, 64 * mib, 64 * mib}},
        {"a name called help", "kvm -name help", {"help", "", 1, 128 * mib, 128 * mib}},
    }));
    CAPTURE(c.what);
    const auto guest = parse_qemu_command_line(words(c.line));
    REQUIRE(guest);
    CHECK(guest->name == c.guest.name);
    CHECK(guest->uuid == c.guest.uuid);
    CHECK(guest->vcpus == c.guest.vcpus);
    CHECK(guest->memory_kib == c.guest.memory_kib);
    CHECK(guest->max_memory_kib == c.guest.max_memory_kib);
}

TEST_CASE("command lines that run no machine") {
    for (const auto* line :
         {"/usr/bin/qemu-system-x86_64 -S -no-user-config -nodefaults -nographic -machine "
          "none,accel=kvm:tcg -qmp unix:/a.sock,server=on,wait=off -pidfile /a.pid -daemonize",
          "qemu-kvm -M none", "qemu-kvm -machine accel=tcg,type=none", "kvm -version",
          "kvm --version", "kvm -h", "kvm -help", "kvm -machine help", "kvm -M ?", "kvm -cpu help",
          "kvm -m 512 -device help"}) {
        CAPTURE(line);
        CHECK(!parse_qemu_command_line(words(line)));
    }
    CHECK(!parse_qemu_command_line(""));
    CHECK(!parse_qemu_command_line(std::string_view("\0\0", 2)));
}

TEST_CASE("a command line cut anywhere is no danger") {
    const auto whole = words("kvm -name guest=a,,b,debug-threads=on -m size=1G,maxmem=2G -smp 2");
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const auto guest = parse_qemu_command_line(whole.substr(0, length));
        if (guest) CHECK(guest->name.size() <= 5);  // "guest", before its '='
    }
}

TEST_CASE("derived uuids") {
    const auto a = derive_uuid("host", "a", {1, 2});
    CHECK(a.size() == 36);
    CHECK(a[14] == '5');
    CHECK(a == derive_uuid("host", "a", {3, 4}));  // after a restart
    CHECK(a != derive_uuid("other", "a", {1, 2}));
    CHECK(a != derive_uuid("host", "b", {1, 2}));
    CHECK(derive_uuid("host", "", {1, 2}) == derive_uuid("host", "", {1, 2}));
    CHECK(derive_uuid("host", "", {1, 2}) != derive_uuid("host", "", {1, 3}));
    CHECK(derive_uuid("hosta", "b", {1, 2}) != derive_uuid("host", "ab", {1, 2}));
}
