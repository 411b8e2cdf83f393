#include "tools/load/disk_workers.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace virtpulse::load {

using std::chrono::nanoseconds;

DiskWorkers::DiskWorkers(const Target& target, const DiskWork& work)
    : target_(target), work_(work) {
    for (unsigned i = 0; i < work.depth; ++i) {
        RandomWords content(random_seed());
        buffers_.emplace_back(work.block_bytes, content);
    }
    try {
        for (const auto& buffer : buffers_) {
            threads_.emplace_back([this, &buffer] { run(RandomWords(random_seed()), buffer); });
        }
    } catch (...) {
        const std::lock_guard lock(mutex_);
        stop_ = true;
        told_.notify_all();
        throw;
    }
}

DiskWorkers::~DiskWorkers() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    told_.notify_all();
    threads_.clear();  // joins, while all that they use is still there
}

void DiskWorkers::work_until(Clock::time_point end) {
    {
        const std::lock_guard lock(mutex_);
        until_ = end;
    }
    told_.notify_all();
}

DiskTotals DiskWorkers::totals() const {
    const std::lock_guard lock(mutex_);
    auto totals = totals_;
    if (in_flight_ > 0) totals.in_flight += Clock::now() - busy_since_;
    return totals;
}

std::optional<Error> DiskWorkers::failure() const {
    const std::lock_guard lock(mutex_);
    return failure_;
}

// Waits for a burst; when the operation to do now begins, or nothing where no more are wanted.
std::optional<DiskWorkers::Clock::time_point> DiskWorkers::begin() {
    std::unique_lock lock(mutex_);
    auto now = Clock::now();
    told_.wait(lock, [&] { return stop_ || (now = Clock::now()) < until_; });
    if (stop_) return std::nullopt;
    if (in_flight_++ == 0) busy_since_ = now;
    return now;
}

void DiskWorkers::end(Clock::time_point began, bool read) {
    const std::lock_guard lock(mutex_);
    const auto now = Clock::now();
    if (--in_flight_ == 0) totals_.in_flight += now - busy_since_;
    totals_.longest = std::max(totals_.longest, nanoseconds(now - began));
    ++(read ? totals_.read_ops : totals_.write_ops);
}

void DiskWorkers::fail(Error error) {
    const std::lock_guard lock(mutex_);
    if (--in_flight_ == 0) totals_.in_flight += Clock::now() - busy_since_;
    if (!failure_) failure_ = std::move(error);
}

void DiskWorkers::run(RandomWords random, const AlignedBuffer& buffer) {
    const auto blocks = target_.size_bytes / work_.block_bytes;
    while (const auto began = begin()) {
        const auto at = static_cast<off_t>(random.next() % blocks * work_.block_bytes);
        constexpr double whole = 0x1p64;
        const bool read = static_cast<double>(random.next()) < work_.reads * whole;
        const auto bytes = buffer.all();
        const auto done = read ? pread(target_.file.get(), bytes.data(), bytes.size(), at)
                               : pwrite(target_.file.get(), bytes.data(), bytes.size(), at);
        if (done < 0) return fail(system_error(read ? "cannot read" : "cannot write"));
        if (static_cast<std::size_t>(done) != bytes.size()) {
            return fail(Error{read ? "cannot read: the file has become shorter"
                                   : "cannot write: no room for a whole block"});
        }
        end(*began, read);
    }
}

}  // namespace virtpulse::load
