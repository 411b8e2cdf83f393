#include "userspace/proc/thread_sum.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

namespace virtpulse::agent {
namespace {

Fd open_schedstat(int tasks, pid_t tid) {
    constexpr std::string_view file = "/schedstat";
    char name[32] = "";  // ends with a NUL whatever is written below
    auto* const end = std::to_chars(name, name + 16, tid).ptr;
    std::ranges::copy(file, end);
    return Fd(::openat(tasks, name, O_RDONLY | O_CLOEXEC));
}

std::optional<Schedstat> read_schedstat(const Fd& file) {
    char text[128];  // three numbers of at most 20 digits
    const auto got = ::pread(file.get(), text, sizeof text, 0);
    if (got <= 0) return std::nullopt;
    const auto use = parse_schedstat({text, static_cast<std::size_t>(got)});
    return use ? std::optional(*use) : std::nullopt;
}

bool went_back(const Schedstat& before, const Schedstat& now) {
    return now.run_ns < before.run_ns || now.run_delay_ns < before.run_delay_ns ||
           now.switches < before.switches;
}

}  // namespace

ThreadSum::~ThreadSum() {
    for (auto& thread : threads_)
        close(thread);
}

Result<void> ThreadSum::update(std::vector<NumberedDirectory::Entry>& scratch) {
    if (auto listed = tasks_.list(scratch); !listed) return listed.error();
    if (scratch.empty()) return system_error("no thread is left", ESRCH);
    std::ranges::sort(scratch, {}, &NumberedDirectory::Entry::number);

    next_.clear();
    auto known = threads_.begin();
    for (const auto& entry : scratch) {
        for (; known != threads_.end() && known->tid < entry.number; ++known)
            end(*known);
        const bool is_known = known != threads_.end() && known->tid == entry.number;
        auto thread = is_known ? std::move(*known++) : begin(entry.number);
        if (!read(thread)) {
            end(thread);
            if (!is_known) continue;
            // Its file says that it has ended, yet its number is listed: a new thread has it.
            thread = begin(entry.number);
            if (!read(thread)) {
                end(thread);
                continue;
            }
        }
        next_.push_back(std::move(thread));
    }
    for (; known != threads_.end(); ++known)
        end(*known);
    threads_.swap(next_);

    sum_ = ended_;
    for (const auto& thread : threads_)
        sum_ += thread.last;
    return {};
}

ThreadSum::Thread ThreadSum::begin(pid_t tid) {
    Thread thread{tid, {}, {}};
    if (budget_->take()) {
        thread.file = open_schedstat(tasks_.fd(), tid);
        if (!thread.file) budget_->give_back();
    }
    return thread;
}

void ThreadSum::end(Thread& thread) {
    ended_ += std::exchange(thread.last, {});
    close(thread);
}

void ThreadSum::close(Thread& thread) {
    if (!thread.file) return;
    thread.file.reset();
    budget_->give_back();
}

bool ThreadSum::read(Thread& thread) {
    const auto now = thread.file ? read_schedstat(thread.file)
                                 : read_schedstat(open_schedstat(tasks_.fd(), thread.tid));
    if (!now) return false;
    // Without a file that was kept open, a new thread with the same number shows only so.
    if (went_back(thread.last, *now)) ended_ += thread.last;
    thread.last = *now;
    return true;
}

}  // namespace virtpulse::agent
