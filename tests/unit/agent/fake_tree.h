// A /proc and a /sys that a test makes, in a directory that goes with it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/proc/root.h"

namespace virtpulse::agent {

class FakeTree {
  public:
    struct File {
        std::string_view path;
        std::string_view text;
    };

    FakeTree(std::initializer_list<File> files = {}) {
        auto pattern = (std::filesystem::temp_directory_path() / "virtpulse-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
        top_ = pattern;
        std::filesystem::create_directories(top_ / "proc");
        std::filesystem::create_directories(top_ / "sys");
        for (const auto& file : files)
            write(file.path, file.text);
    }
    FakeTree(const FakeTree&) = delete;
    FakeTree& operator=(const FakeTree&) = delete;
    ~FakeTree() {
        std::error_code ignored;
        std::filesystem::remove_all(top_, ignored);
    }

    // Paths begin with "proc/" or "sys/". Files are written over in place.
    void write(std::string_view path, std::string_view text) const {
        const auto file = top_ / path;
        std::filesystem::create_directories(file.parent_path());
        std::ofstream(file, std::ios::binary) << text;
    }
    void directory(std::string_view path) const {
        std::filesystem::create_directories(top_ / path);
    }
    void link(std::string_view path, std::string_view target) const {
        const auto file = top_ / path;
        std::filesystem::create_directories(file.parent_path());
        std::filesystem::remove(file);
        std::filesystem::create_symlink(target, file);
    }
    void remove(std::string_view path) const { std::filesystem::remove_all(top_ / path); }

    [[nodiscard]] std::filesystem::path path(std::string_view inside) const {
        return top_ / inside;
    }
    [[nodiscard]] Root root() const { return {(top_ / "proc").string(), (top_ / "sys").string()}; }

    // The files of a process that runs `executable`, of one thread, begun `start_ticks` after boot.
    void process(int pid, std::string_view executable, std::string_view cmdline,
                 std::uint64_t start_ticks, char state = 'S') const {
        const auto directory = "proc/" + std::to_string(pid);
        link(directory + "/exe", executable);
        write(directory + "/cmdline", cmdline);
        write(directory + "/stat", stat(pid, start_ticks, state));
    }
    void thread(int pid, int tid, std::string_view schedstat) const {
        write("proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/schedstat",
              schedstat);
    }
    static std::string stat(int pid, std::uint64_t start_ticks, char state = 'S') {
        return std::to_string(pid) + " (qemu) x86)) " + state +
               " 1 1 1 0 -1 4194304 102 0 0 0 7 8 0 0 20 0 3 0 " + std::to_string(start_ticks) +
               " 230872 25 18446744073709551615 1 1 1 0 0 0\n";
    }

  private:
    std::filesystem::path top_;
};

}  // namespace virtpulse::agent
