// What all threads of a process have used, though they come and go.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "userspace/proc/directory.h"
#include "userspace/proc/process_files.h"

namespace virtpulse::agent {

// Files that may be kept open at once, over all processes. Where they are used up, threads' files
// are opened at each reading.
class OpenFileBudget {
  public:
    explicit OpenFileBudget(std::size_t most) : left_(most) {}
    bool take() { return left_ > 0 && left_-- > 0; }
    void give_back() { ++left_; }

  private:
    std::size_t left_;
};

// Sums /proc/PID/task/*/schedstat. The sum never goes back: a thread that has ended stays in it
// with what it had used when it was last read. (What it used after that is lost: at most one
// interval.)
class ThreadSum {
  public:
    // `tasks` is /proc/PID/task; the budget outlives this.
    ThreadSum(NumberedDirectory tasks, OpenFileBudget& budget)
        : tasks_(std::move(tasks)), budget_(&budget) {}
    ThreadSum(ThreadSum&&) = default;
    ThreadSum& operator=(ThreadSum&&) = delete;  // would lose what the budget is owed
    ~ThreadSum();

    // `scratch` is only there to be reused. An error where the process has ended (see is_gone).
    Result<void> update(std::vector<NumberedDirectory::Entry>& scratch);

    [[nodiscard]] const Schedstat& sum() const { return sum_; }
    [[nodiscard]] std::size_t threads() const { return threads_.size(); }

  private:
    struct Thread {
        pid_t tid;
        Fd file;  // none where the budget is used up
        Schedstat last;
    };

    Thread begin(pid_t tid);
    void end(Thread& thread);
    bool read(Thread& thread);
    void close(Thread& thread);

    NumberedDirectory tasks_;
    OpenFileBudget* budget_;
    std::vector<Thread> threads_;  // by tid
    std::vector<Thread> next_;
    Schedstat ended_;
    Schedstat sum_;
};

}  // namespace virtpulse::agent
