// The thread that writes the database.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/result.h"
#include "collector/counters.h"
#include "collector/queue.h"
#include "collector/store/clock_trust.h"
#include "collector/store/retention.h"
#include "collector/store/writer.h"

namespace virtpulse::collector {

using StoreItem = std::variant<ArrivalPtr, Event>;

inline constexpr std::size_t most_queued_rows = 200'000;
inline constexpr std::size_t rows_in_a_transaction = 5000;
inline constexpr auto commit_every = std::chrono::seconds(1);

class Store {
  public:
    // Opens the file, makes its tables where there are none, and starts the thread. `counters`
    // outlive the store.
    static Result<std::unique_ptr<Store>> start(const std::string& path, const Keep& keep,
                                                Counters& counters);
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    // Writes what is queued, for half a second at the longest, and ends the thread.
    ~Store();

    // From any thread, without waiting. What finds the queue full is counted and lost.
    void put(StoreItem item);

  private:
    struct Open {
        explicit Open(Database&& opened) : database(std::move(opened)) {}
        Database database;
        std::optional<Writer> writer;
        std::optional<Retention> retention;
    };

    Store(std::string path, const Keep& keep, Counters& counters)
        : path_(std::move(path)), keep_(keep), counters_(counters) {}
    Result<> open();
    void run();
    // Writes all of the batch, trying again each second while the database is out of order.
    void write(std::vector<StoreItem>& batch);
    Result<> write_transaction(std::size_t& begin, const std::vector<StoreItem>& batch);
    Result<> write_one(const StoreItem& item);
    // Between two batches, once a second: closes buckets that are over, deletes what is too old.
    // Where a failure has closed the database, opens it again, also if nothing more comes to be
    // written.
    void clean();
    // An error also where the file can be read but not written.
    Result<> reopen_and_write();
    Result<> close_ended();
    // Whether the clock is fit for it; says so when that changes.
    bool may_delete(std::int64_t now_ms);
    // Whether the queue is closed and the time for the last writes is over.
    bool is_over();
    // Each reason once until the database works again.
    void say_failing(const Error& error);
    void say_working();

    const std::string path_;
    const Keep keep_;
    Counters& counters_;
    BoundedQueue<StoreItem> queue_{most_queued_rows};  // costs are rows
    std::unique_ptr<Open> open_;                       // nothing after a failure
    std::chrono::steady_clock::time_point clean_next_{};
    std::chrono::steady_clock::time_point close_next_{};
    ClockTrust clock_trust_;
    std::vector<std::string> said_;                             // reasons why it does not work
    std::optional<std::chrono::steady_clock::time_point> end_;  // set once the queue is closed
    std::thread thread_;
};

}  // namespace virtpulse::collector
