// Questions that need the database, answered by a thread of their own: neither what comes in nor
// what goes out to viewers waits for them.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "collector/query/answer.h"
#include "collector/query/parameters.h"
#include "collector/query/waiting.h"
#include "collector/store/database.h"
#include "collector/store/retention.h"

namespace virtpulse::collector {

inline constexpr int most_waiting_questions = 64;
inline constexpr auto longest_question = std::chrono::milliseconds(700);  // SQLite is then stopped
// Points that all askers together are given: a store that fills up at once and then each second.
inline constexpr double most_points_at_once = 2e6;
inline constexpr double points_a_second = 2e5;
inline constexpr std::size_t events_in_an_answer = 1000;

class Archive {
  public:
    Archive(std::string path, const Keep& keep);
    Archive(const Archive&) = delete;
    Archive& operator=(const Archive&) = delete;
    ~Archive();

    // Any question from then on is answered at once, with an error.
    void interrupt() { is_over_ = true; }

    // From a coroutine of any executor, where it goes on. Operations: history, events,
    // snapshot.
    boost::asio::awaitable<Result<Answer>> ask(std::string operation, Parameters parameters);

  private:
    // The rest runs in the archive's thread.
    boost::asio::awaitable<Result<Answer>> answer(std::string operation, Parameters parameters);
    Result<> open();
    Result<Answer> history(const Parameters& parameters);
    Result<Answer> events(const Parameters& parameters);
    Result<Answer> snapshot(const Parameters& parameters);
    Result<std::vector<std::int64_t>> ids(std::string_view host, std::string_view uuid,
                                          const Span& span);
    Result<> pay_for(double points);
    static int is_to_stop(void* archive);

    const std::string path_;
    const Keep keep_;
    std::atomic<bool> is_over_ = false;
    Waiting waiting_{most_waiting_questions};
    std::optional<Database> database_;
    std::chrono::steady_clock::time_point stop_at_;
    std::chrono::steady_clock::time_point paid_at_ = std::chrono::steady_clock::now();
    double points_ = most_points_at_once;
    boost::asio::io_context io_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
