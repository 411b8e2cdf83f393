#include "userspace/sandbox/sandbox.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

struct Attempt {
    std::string_view what;
    std::function<long()> call;  // -1 and errno, or anything else
};

long bpf(int command) {
    union bpf_attr attributes {};
    return syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

// Runs `inside` in a process of its own. Its result: what it wrote.
std::string in_child(const std::function<std::string()>& inside) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const std::string text = inside();
        const auto written = write(ends[1], text.data(), text.size());
        _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
    }
    close(ends[1]);
    std::string text;
    char buffer[512];
    ssize_t got = 0;
    while ((got = read(ends[0], buffer, sizeof buffer)) > 0)
        text.append(buffer, static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    return text;
}

std::string in_sandbox(const std::function<std::string()>& inside) {
    return in_child([&] {
        const auto entered = virtpulse::agent::enter_sandbox(virtpulse::agent::Reads::executables);
        return entered ? inside() : entered.error().message;
    });
}

bool is_effective(cap_value_t capability) {
    const cap_t now = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;
    cap_get_flag(now, capability, CAP_EFFECTIVE, &value);
    cap_free(now);
    return value == CAP_SET;
}

// As a kernel before 5.19 answers those without CAP_BPF.
bool refuse_bpf() {
    const scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    const bool done = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(bpf), 0) == 0 &&
                      seccomp_load(filter) == 0;
    seccomp_release(filter);
    return done;
}

}  // namespace

TEST_CASE("in the sandbox nothing is run, looked into, loaded, mounted or written") {
    namespace fs = std::filesystem;
    const std::string directory =
        fs::temp_directory_path() / ("virtpulse-sandbox-" + std::to_string(getpid()));
    fs::create_directory(directory);
    const std::string there = directory + "/there";
    const std::string other = directory + "/other";
    close(open(there.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    char* const none[] = {nullptr};

    const std::vector<Attempt> refused{
        {"execve", [&] { return execve("/bin/true", none, none); }},
        {"open to write", [&] { return open(there.c_str(), O_WRONLY | O_CLOEXEC); }},
        {"open to read and write", [&] { return open(there.c_str(), O_RDWR | O_CLOEXEC); }},
        {"open to make", [&] { return open(other.c_str(), O_CREAT | O_CLOEXEC, 0600); }},
        {"open to empty", [&] { return open(there.c_str(), O_TRUNC | O_CLOEXEC); }},
        {"openat to write", [&] { return openat(AT_FDCWD, there.c_str(), O_WRONLY | O_APPEND); }},
        {"mkdir", [&] { return mkdir(other.c_str(), 0700); }},
        {"unlink", [&] { return unlink(there.c_str()); }},
        {"rename", [&] { return rename(there.c_str(), other.c_str()); }},
        {"symlink", [&] { return symlink(there.c_str(), other.c_str()); }},
        {"chmod", [&] { return chmod(there.c_str(), 0777); }},
        {"truncate", [&] { return truncate(there.c_str(), 0); }},
        {"mount", [&] { return mount("none", directory.c_str(), "tmpfs", 0, nullptr); }},
        {"finit_module", [] { return syscall(SYS_finit_module, 0, "", 0); }},
        {"kexec_load", [] { return syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
        {"process_vm_readv",
         [] { return syscall(SYS_process_vm_readv, getppid(), nullptr, 0, nullptr, 0, 0); }},
#ifndef __SANITIZE_ADDRESS__
        {"ptrace", [] { return ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr); }},
#endif
        {"perf_event_open", [] { return syscall(SYS_perf_event_open, nullptr, 0, -1, -1, 0); }},
        {"unshare", [] { return syscall(SYS_unshare, 0); }},
        {"bpf: make a map", [] { return bpf(BPF_MAP_CREATE); }},
        {"bpf: load a program", [] { return bpf(BPF_PROG_LOAD); }},
        {"bpf: pin", [] { return bpf(BPF_OBJ_PIN); }},
        {"bpf: a command of later kernels", [] { return bpf(1000); }},
    };
    const auto failed = in_sandbox([&] {
        std::string text;
        for (const auto& attempt : refused) {
            errno = 0;
            if (attempt.call() != -1 || errno != EPERM) {
                text += std::string(attempt.what) + " was not refused; ";
            }
        }
        return text;
    });
    INFO(failed);
    CHECK(failed.empty());
    CHECK(fs::exists(there));
    CHECK(!fs::exists(other));
    fs::remove_all(directory);
}

TEST_CASE("what the agent needs works in the sandbox") {
    const auto failed = in_sandbox([] {
        std::string text;
        const int file = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
        char byte = 0;
        if (file < 0 || pread(file, &byte, 1, 0) != 1) text += "reading /proc; ";
        const int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(9);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (sendto(sender, "x", 1, 0, reinterpret_cast<const sockaddr*>(&address),
                   sizeof address) != 1) {
            text += "sending; ";
        }
        if (socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0) text += "a socket to libvirt; ";
        std::atomic<bool> ran = false;
        std::thread([&] { ran = true; }).join();
        if (!ran) text += "a thread; ";
        // Of a map that is none: the call gets as far as the kernel.
        if (bpf(BPF_MAP_LOOKUP_ELEM) != -1 || errno == EPERM) text += "looking up in a map; ";
        if (bpf(BPF_PROG_TEST_RUN) != -1 || errno == EPERM) text += "running a program; ";
        return text;
    });
    INFO(failed);
    CHECK(failed.empty());
}

TEST_CASE("CAP_BPF is kept only where maps cannot be read without it, and only to read them") {
    using virtpulse::agent::drop_capabilities;
    using virtpulse::agent::Reads;
    const bool is_there = is_effective(CAP_BPF);
    const auto kept = [](bool is_refused, Reads reads) {
        return in_child([=] {
            if (is_refused && !refuse_bpf()) return std::string("no filter");
            if (!drop_capabilities(reads)) return std::string("not dropped");
            return std::string(is_effective(CAP_BPF) ? "kept" : "dropped") +
                   (is_effective(CAP_SYS_ADMIN) ? " and more" : "");
        });
    };
    CHECK(kept(true, Reads::executables) == (is_there ? "kept" : "dropped"));
    CHECK(kept(true, Reads::executables_and_io) == "dropped");
    // This machine's kernel is newer than 5.19.
    CHECK(kept(false, Reads::executables) == "dropped");
}
