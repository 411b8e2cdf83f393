#include "collector/store/store.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/thread_name.h"
#include "collector/clock.h"
#include "collector/store/schema.h"

namespace virtpulse::collector {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto try_again_after = std::chrono::seconds(1);
constexpr auto last_tries_every = std::chrono::milliseconds(50);
constexpr auto clean_every = std::chrono::seconds(1);
constexpr auto close_ended_every = std::chrono::seconds(5);
constexpr auto last_writes_may_take = std::chrono::milliseconds(400);

std::size_t rows_of_item(const StoreItem& item) {
    const auto* const arrival = std::get_if<ArrivalPtr>(&item);
    return arrival != nullptr ? rows_of((*arrival)->frame) : 1;
}

// Errors of the database as a whole, which may pass; any other is one of what is written.
bool may_pass(const Error& error) {
    switch (error.code) {
        case SQLITE_CONSTRAINT:
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
            return false;
        default:
            return true;
    }
}

}  // namespace

Result<std::unique_ptr<Store>> Store::start(const std::string& path, const Keep& keep,
                                            Counters& counters) {
    std::unique_ptr<Store> store(new Store(path, keep, counters));
    if (auto opened = store->open(); !opened) return opened.error();
    store->thread_ = std::thread([raw = store.get()] { raw->run(); });
    return store;
}

Store::~Store() {
    queue_.close();
    if (thread_.joinable()) thread_.join();
}

void Store::put(StoreItem item) {
    const auto rows = rows_of_item(item);
    if (!queue_.push(std::move(item), rows)) add(counters_.store_dropped_rows, rows);
    counters_.store_queued_rows.store(queue_.cost(), std::memory_order_relaxed);
}

Result<> Store::open() {
    auto database = Database::open(path_);
    if (!database) return database.error();
    auto open = std::make_unique<Open>(std::move(*database));
    if (auto schema = prepare_schema(open->database); !schema) return schema.error();
    if (auto checked = open->database.check_header(); !checked) return checked;
    auto writer = Writer::prepare(open->database);
    if (!writer) return writer.error();
    open->writer = std::move(*writer);
    auto retention = Retention::prepare(open->database, keep_);
    if (!retention) return retention.error();
    open->retention = std::move(*retention);
    open_ = std::move(open);
    return {};
}

void Store::run() {
    name_thread("store");
    std::vector<StoreItem> batch;
    bool more = true;
    while (more) {
        more = queue_.take_all(batch, rows_in_a_transaction, Clock::now() + commit_every);
        write(batch);
        batch.clear();
        counters_.store_queued_rows.store(queue_.cost(), std::memory_order_relaxed);
        if (more) clean();
    }
}

void Store::write(std::vector<StoreItem>& batch) {
    std::size_t begin = 0;
    while (begin < batch.size() && !is_over()) {
        auto done = open_ ? Result<>() : open();
        if (done && open_->database.was_moved()) {
            done = Error{"database " + path_ + ": the file was moved or deleted"};
        }
        if (done) done = open_->database.check_header();
        if (done) done = write_transaction(begin, batch);
        if (done) {
            say_working();
            continue;
        }
        say_failing(done.error());
        open_.reset();  // begins anew, in whatever state the file is by then
        if (queue_.wait_closed(Clock::now() + try_again_after)) {
            std::this_thread::sleep_for(last_tries_every);
        }
    }
    std::size_t lost = 0;
    for (; begin < batch.size(); ++begin)
        lost += rows_of_item(batch[begin]);
    if (lost == 0) return;
    add(counters_.store_dropped_rows, lost);
    spdlog::error("{} rows could not be stored before the end", lost);
}

Result<> Store::write_transaction(std::size_t& begin, const std::vector<StoreItem>& batch) {
    auto& database = open_->database;
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
    std::size_t rows = 0;
    std::size_t poor_rows = 0;
    auto at = begin;
    for (; at < batch.size() && rows < rows_in_a_transaction; ++at) {
        auto written = write_one(batch[at]);
        if (!written && may_pass(written.error())) return written;
        if (!written) spdlog::error("a sample could not be stored: {}", written.error().message);
        (written ? rows : poor_rows) += rows_of_item(batch[at]);
    }
    if (auto flushed = open_->writer->flush(); !flushed) return flushed;
    if (auto committed = database.execute("COMMIT"); !committed) return committed;
    begin = at;
    add(counters_.stored_rows, rows);
    add(counters_.store_dropped_rows, poor_rows);
    return {};
}

Result<> Store::write_one(const StoreItem& item) {
    if (const auto* const arrival = std::get_if<ArrivalPtr>(&item)) {
        return open_->writer->write(**arrival);
    }
    return open_->writer->write(std::get<Event>(item));
}

void Store::clean() {
    const auto now = Clock::now();
    if (now < clean_next_ || queue_.cost() > rows_in_a_transaction) return;
    clean_next_ = now + clean_every;
    auto cleaned = open_ ? Result<>() : reopen_and_write();
    if (cleaned) cleaned = close_ended();
    const auto now_ms = unix_ms();
    if (cleaned && may_delete(now_ms)) cleaned = open_->retention->step(now_ms);
    if (cleaned) {
        say_working();
        return;
    }
    say_failing(cleaned.error());
    open_.reset();
}

Result<> Store::reopen_and_write() {
    if (auto opened = open(); !opened) return opened;
    // What is to be cleaned may be nothing, which would also succeed on a full disk.
    const auto version = open_->database.query_integer("PRAGMA user_version");
    if (!version) return version.error();
    return open_->database.execute("PRAGMA user_version = " + std::to_string(version->value_or(0)));
}

Result<> Store::close_ended() {
    const auto now = Clock::now();
    if (now < close_next_) return {};
    if (auto begun = open_->database.execute("BEGIN IMMEDIATE"); !begun) return begun;
    if (auto closed = open_->writer->close_ended(unix_ms() / 1000); !closed) return closed;
    if (auto committed = open_->database.execute("COMMIT"); !committed) return committed;
    close_next_ = now + close_ended_every;
    return {};
}

bool Store::may_delete(std::int64_t now_ms) {
    const auto trusted_before = !clock_trust_.ahead();
    const auto trusted = clock_trust_.trusts(now_ms, Clock::now());
    if (trusted_before && !trusted) {
        const auto ahead_s =
            std::chrono::duration_cast<std::chrono::seconds>(*clock_trust_.ahead());
        spdlog::warn(
            "this machine's clock jumped ahead by {} s; nothing old is deleted from {} for an "
            "hour, "
            "or until it jumps back",
            ahead_s.count(), path_);
    }
    if (!trusted_before && trusted) {
        spdlog::info("this machine's clock is trusted again; old rows of {} are deleted", path_);
    }
    return trusted;
}

bool Store::is_over() {
    if (!queue_.wait_closed(Clock::now())) return false;
    if (!end_) end_ = Clock::now() + last_writes_may_take;
    return Clock::now() > *end_;
}

void Store::say_failing(const Error& error) {
    counters_.store_failing = true;
    constexpr std::size_t most_reasons = 8;  // one disk may fail in several ways by turns
    if (said_.size() == most_reasons || std::ranges::find(said_, error.message) != said_.end())
        return;
    spdlog::error("{}; nothing is stored until that is over, viewers are served on", error.message);
    said_.push_back(error.message);
}

void Store::say_working() {
    if (!counters_.store_failing.exchange(false)) return;
    said_.clear();
    spdlog::info("database {} works again; {} rows were lost so far", path_,
                 counters_.store_dropped_rows.load());
}

}  // namespace virtpulse::collector
