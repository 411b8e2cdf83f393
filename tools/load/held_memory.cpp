#include "tools/load/held_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace virtpulse::load {
namespace {

std::size_t page_bytes() {
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

Result<HeldMemory> HeldMemory::reserve(std::uint64_t bytes) {
    const auto page = page_bytes();
    const auto size = (bytes + page - 1) / page * page;
    void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return system_error("cannot reserve " + std::to_string(size) + " bytes of memory");
    }
    const bool locked = mlock2(start, size, MLOCK_ONFAULT) == 0;
    return HeldMemory(static_cast<std::byte*>(start), size, locked);
}

HeldMemory::HeldMemory(HeldMemory&& other) noexcept
    : start_(std::exchange(other.start_, nullptr)),
      size_(other.size_),
      filled_(other.filled_),
      touched_(other.touched_),
      locked_(other.locked_),
      content_(other.content_) {}

HeldMemory::~HeldMemory() {
    if (start_ != nullptr) munmap(start_, size_);
}

bool HeldMemory::fill_some(std::size_t bytes) {
    const auto now = std::min(bytes, size_ - filled_);
    content_.fill({start_ + filled_, now});
    filled_ += now;
    return filled_ < size_;
}

void HeldMemory::touch_some(std::size_t bytes) {
    if (locked_ || filled_ == 0) return;
    const auto page = page_bytes();
    for (std::size_t done = 0; done < std::min(bytes, filled_); done += page) {
        if (touched_ >= filled_) touched_ = 0;
        static_cast<void>(*static_cast<volatile std::byte*>(start_ + touched_));
        touched_ += page;
    }
}

Result<std::uint64_t> HeldMemory::resident_bytes() const {
    const auto page = page_bytes();
    // mincore wants a byte for each page; a piece at a time keeps that small.
    std::vector<unsigned char> pages(16384);
    std::uint64_t resident = 0;
    for (std::size_t at = 0; at < filled_; at += pages.size() * page) {
        const auto length = std::min(pages.size() * page, filled_ - at);
        if (mincore(start_ + at, length, pages.data()) != 0) {
            return system_error("cannot tell what is in memory");
        }
        const auto end = pages.begin() + static_cast<std::ptrdiff_t>((length + page - 1) / page);
        resident += page * static_cast<std::uint64_t>(std::count_if(
                               pages.begin(), end, [](auto flags) { return (flags & 1U) != 0; }));
    }
    return resident;
}

}  // namespace virtpulse::load
