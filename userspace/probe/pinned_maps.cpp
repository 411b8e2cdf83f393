#include "userspace/probe/pinned_maps.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/fd.h"
#include "base/text.h"
#include "userspace/proc/file.h"

namespace virtpulse::agent {
namespace {

namespace fs = std::filesystem;

struct Meaning {
    std::string_view name;
    std::string_view text;
};

// docs/INSPECTING.md says it of each field.
constexpr std::array meanings{
    Meaning{"agents", "what agents keep from one to the next"},
    Meaning{"cgroups", "cgroups that belong to one VM alone, by id"},
    Meaning{"culprits", "who had the CPU while a VM waited for it: other VMs and host processes"},
    Meaning{"devices", "whom each disk served, in ns"},
    Meaning{"ended_waits", "waits for a CPU of threads that ended, by VM"},
    Meaning{"failures", "what found no place or went wrong, since the maps were made"},
    Meaning{"requests", "block requests of VMs, queued and at a device now"},
    Meaning{"threads", "threads of VMs: CPU time and waiting; those with tid 0 are free"},
    Meaning{"unconfirmed", "how much there is of processes not confirmed to be VMs"},
    Meaning{"vcpus", "exits of each vCPU from its guest by reason, and their time"},
    Meaning{"vm_block", "block I/O by VM and disk: operations, bytes, time, latencies"},
    Meaning{"vms", "processes that run VMs, by tgid"},
    Meaning{"waits", "waits for a CPU of each thread: by length, and who had it"},
};

// Entries of a hash are counted one by one: a batch would need room for values of any size.
Result<std::uint64_t> count_keys(int fd, const bpf_map_info& info, const std::string& path) {
    std::vector<std::byte> key(info.key_size);
    std::vector<std::byte> next(info.key_size);
    std::uint64_t count = 0;
    bool first = true;
    // A map that changes meanwhile can send us back to its beginning.
    while (count <= info.max_entries) {
        if (bpf_map_get_next_key(fd, first ? nullptr : key.data(), next.data()) != 0) {
            if (errno == ENOENT) break;
            return system_error("cannot read " + path);
        }
        std::swap(key, next);
        first = false;
        ++count;
    }
    return std::min<std::uint64_t>(count, info.max_entries);
}

// Of the arrays of threads and vCPUs those records are used that begin with a tid.
Result<std::uint64_t> count_records(int fd, const bpf_map_info& info, const std::string& path) {
    constexpr std::uint32_t step = 4096;
    std::vector<std::uint32_t> keys(step);
    std::vector<std::byte> values(std::size_t{info.value_size} * step);
    std::uint64_t count = 0;
    std::uint32_t position = 0;
    for (bool first = true;; first = false) {
        std::uint32_t got = step;
        const int result = bpf_map_lookup_batch(fd, first ? nullptr : &position, &position,
                                                keys.data(), values.data(), &got, nullptr);
        if (result != 0 && errno != ENOENT) return system_error("cannot read " + path);
        for (std::uint32_t i = 0; i < got; ++i) {
            std::uint32_t tid = 0;
            std::memcpy(&tid, values.data() + std::size_t{info.value_size} * i, sizeof tid);
            if (tid != 0) ++count;
        }
        if (result != 0) return count;
    }
}

// As the kernel says it in fdinfo; it counts what the entries really take since 6.4.
std::optional<std::uint64_t> kernel_memory(const Root& root, int fd) {
    std::string buffer;
    const auto text = read_file(root.procfs + "/self/fdinfo/" + std::to_string(fd), buffer);
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    while (!rest.empty()) {
        std::string_view line = take_until(rest, '\n');
        if (take_until(line, ':') == "memlock") return parse_number<std::uint64_t>(trim(line));
    }
    return std::nullopt;
}

Result<PinnedMap> look_at(const Root& root, const std::string& path) {
    const Fd fd(bpf_obj_get(path.c_str()));
    if (!fd) return system_error("cannot open " + path);
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0) {
        return system_error("cannot look at " + path);
    }
    PinnedMap map;
    map.name = fs::path(path).filename();
    map.path = path;
    map.most = info.max_entries;
    map.bytes = kernel_memory(root, fd.get());
    if (info.type == BPF_MAP_TYPE_HASH) {
        const auto count = count_keys(fd.get(), info, path);
        if (!count) return count.error();
        map.used = *count;
    } else if (map.name == "threads" || map.name == "vcpus") {
        const auto count = count_records(fd.get(), info, path);
        if (!count) return count.error();
        map.used = *count;
    } else {
        map.used = info.max_entries;
    }
    return map;
}

}  // namespace

Result<std::vector<PinnedMap>> list_pinned_maps(const Root& root) {
    const std::string top = root.sysfs + "/fs/bpf/virtpulse";
    std::error_code error;
    std::vector<std::string> paths;
    for (const auto& entry : fs::recursive_directory_iterator(top, error)) {
        if (!entry.is_directory(error)) paths.push_back(entry.path());
    }
    if (paths.empty()) {
        const bool is_refused = error == std::errc::permission_denied;
        return Error{"no maps are pinned in " + top +
                     (is_refused ? ", as far as may be seen: " + error.message()
                                 : ": no agent has counted by eBPF here, or they were removed")};
    }
    std::ranges::sort(paths);
    std::vector<PinnedMap> maps;
    for (const auto& path : paths) {
        auto map = look_at(root, path);
        if (!map) return map.error();
        maps.push_back(std::move(*map));
    }
    return maps;
}

std::string_view meaning_of_map(std::string_view name) {
    const auto found = std::ranges::find(meanings, name, &Meaning::name);
    return found == meanings.end() ? std::string_view{} : found->text;
}

std::string maps_as_table(std::span<const PinnedMap> maps) {
    std::string text;
    std::string directory;
    for (const auto& map : maps) {
        const std::string in = fs::path(map.path).parent_path();
        if (in != directory) {
            text += fmt::format("{}\n  {:<12} {:>8} {:>8} {:>9}  {}\n", in, "map", "in use", "of",
                                "KiB", "what it holds");
            directory = in;
        }
        const auto kib = map.bytes ? fmt::format("{:.1f}", static_cast<double>(*map.bytes) / 1024)
                                   : std::string("—");
        const auto meaning = meaning_of_map(map.name);
        text += fmt::format("  {:<12} {:>8} {:>8} {:>9}  {}\n", map.name, map.used, map.most, kib,
                            meaning.empty() ? "not known to this version" : meaning);
    }
    return text;
}

}  // namespace virtpulse::agent
