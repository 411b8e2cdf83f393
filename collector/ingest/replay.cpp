#include "collector/ingest/replay.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "wire/frame_codec.h"

namespace virtpulse::collector {
namespace {

struct Header {
    std::array<char, 8> magic{'V', 'P', 'r', 'e', 'p', 'l', 'a', 'y'};
    std::uint32_t version = 1;  // in the machine's byte order: the file does not travel
    std::uint32_t record_bytes = sizeof(ReplayRecord);

    bool operator==(const Header&) const = default;
};
static_assert(sizeof(Header) <= sizeof(ReplayRecord));  // it has the place of one

constexpr std::size_t file_bytes = (1 + ReplayMemory::most_hosts) * sizeof(ReplayRecord);
constexpr std::int64_t search_every_ms = 1000;

// Nothing of what is written before it is written after it. For a process that may be killed that
// is enough: what it has stored is in the page cache.
void step() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

Result<> prepare_file(int file, const std::string& path) {
    struct stat status {};
    if (::fstat(file, &status) != 0) return system_error("cannot look at " + path);
    Header header;
    if (status.st_size == 0) {
        if (::pwrite(file, &header, sizeof header, 0) != sizeof header) {
            return system_error("cannot write " + path);
        }
    } else if (::pread(file, &header, sizeof header, 0) != sizeof header || header != Header{}) {
        return Error{path +
                     " does not hold what this collector knows of sealed frames: name "
                     "another file with --replay-file, or remove it"};
    }
    // All of it now: a full disk would be a SIGBUS later.
    const int error = ::posix_fallocate(file, 0, static_cast<off_t>(file_bytes));
    if (error != 0) return system_error("cannot make room for " + path, error);
    return {};
}

}  // namespace

std::optional<Refusal> ReplayRecord::take(std::uint64_t start_us, std::uint32_t sequence) {
    const bool beginning = (run & 1) != 0;
    const auto known_us = run >> 1;
    if (start_us < known_us) return Refusal::old_start;
    if (start_us > known_us || beginning) {
        begin(start_us, sequence);
        return std::nullopt;
    }
    const std::uint32_t ahead_by = sequence - newest;
    if (ahead_by == 0) return Refusal::replayed;
    if (ahead_by < 1U << 31) {
        const auto cleared = std::min(ahead_by, replay_window);
        newest = sequence;
        step();
        for (std::uint32_t i = 0; i < cleared; ++i)
            word(sequence - i) &= ~bit(sequence - i);
        word(sequence) |= bit(sequence);
        return std::nullopt;
    }
    if (0U - ahead_by >= replay_window) return Refusal::behind_window;
    if ((word(sequence) & bit(sequence)) != 0) return Refusal::replayed;
    word(sequence) |= bit(sequence);
    return std::nullopt;
}

void ReplayRecord::begin(std::uint64_t start_us, std::uint32_t sequence) {
    run = start_us << 1 | 1;
    step();
    newest = sequence;
    seen.fill(0);
    word(sequence) |= bit(sequence);
    step();
    run = start_us << 1;
}

Result<std::unique_ptr<ReplayMemory>> ReplayMemory::open(const std::optional<std::string>& path) {
    Fd file;
    int flags = MAP_SHARED;
    if (path) {
        file.reset(::open(path->c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (!file) {
            return system_error("cannot open " + *path +
                                " (another file can be named with --replay-file)");
        }
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            return Error{*path +
                         " is in use by another collector: name another file with "
                         "--replay-file"};
        }
        if (const auto prepared = prepare_file(file.get(), *path); !prepared) {
            return prepared.error();
        }
    } else {
        flags |= MAP_ANONYMOUS;
    }
    void* const memory =
        ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, flags, path ? file.get() : -1, 0);
    if (memory == MAP_FAILED) return system_error("cannot map " + path.value_or("memory"));
    return std::unique_ptr<ReplayMemory>(new ReplayMemory(std::move(file), memory));
}

ReplayMemory::ReplayMemory(Fd file, void* memory)
    : file_(std::move(file)), records_(static_cast<ReplayRecord*>(memory) + 1, most_hosts) {
    for (auto& record : records_) {
        if (record.name_bytes == 0) continue;
        if (record.name_bytes > wire::longest_name) {  // no record of ours
            record.name_bytes = 0;
            continue;
        }
        by_name_[std::string(record.host())] = &record;
    }
}

ReplayMemory::~ReplayMemory() {
    ::munmap(records_.data() - 1, file_bytes);
}

std::optional<Refusal> ReplayMemory::take(const std::string& host, std::uint64_t start_us,
                                          std::uint32_t sequence, std::int64_t now_ms) {
    const std::lock_guard lock(mutex_);
    auto* const record = find_or_make(host, now_ms);
    if (record == nullptr) return Refusal::too_many_hosts;
    const auto refused = record->take(start_us, sequence);
    if (!refused) record->taken_ms = now_ms;
    return refused;
}

ReplayRecord* ReplayMemory::find_or_make(const std::string& host, std::int64_t now_ms) {
    const auto found = by_name_.find(host);
    if (found != by_name_.end()) return found->second;
    while (next_free_ < records_.size() && records_[next_free_].name_bytes != 0)
        ++next_free_;
    auto* const record = next_free_ < records_.size() ? &records_[next_free_] : forget_one(now_ms);
    if (record == nullptr) return nullptr;
    *record = {};
    host.copy(record->name.data(), wire::longest_name);
    step();
    record->name_bytes = static_cast<std::uint32_t>(std::min(host.size(), wire::longest_name));
    by_name_.emplace(host, record);
    return record;
}

// A record that is no longer needed, or nullptr. Who has a key can make up names: so not for each.
ReplayRecord* ReplayMemory::forget_one(std::int64_t now_ms) {
    if (now_ms < next_search_ms_) return nullptr;
    const auto oldest = std::ranges::min_element(records_, {}, &ReplayRecord::taken_ms);
    if (now_ms - oldest->taken_ms < forget_after_ms) {
        next_search_ms_ = now_ms + search_every_ms;
        return nullptr;
    }
    by_name_.erase(std::string(oldest->host()));
    return &*oldest;
}

}  // namespace virtpulse::collector
