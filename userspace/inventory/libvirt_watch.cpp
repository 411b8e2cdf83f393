#include "userspace/inventory/libvirt_watch.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "userspace/inventory/libvirt_connection.h"

namespace virtpulse::agent {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto overdue_after = std::chrono::seconds(3);
constexpr auto first_wait_to_reconnect = std::chrono::milliseconds(500);
constexpr auto longest_wait_to_reconnect = std::chrono::milliseconds(5000);
constexpr auto longest_wait_at_end = std::chrono::milliseconds(300);

}  // namespace

// Owned by the threads as well, so that one that libvirt holds finds it when it comes back.
struct LibvirtWatch::Shared : std::enable_shared_from_this<Shared> {
    Shared(std::string to, std::chrono::milliseconds every) : uri(std::move(to)), interval(every) {}

    const std::string uri;
    const std::chrono::milliseconds interval;

    mutable std::mutex mutex;  // never held while libvirt is called
    std::condition_variable changed;
    std::shared_ptr<const LibvirtSnapshot> snapshot;
    std::string error;                              // empty while all is well
    std::optional<Clock::time_point> silent_since;  // of the first call without an answer
    bool stop = false;
    bool news = false;           // a domain changed: ask at once
    bool sizes_changed = false;  // a domain was defined anew
    int running = 2;             // threads

    std::atomic<bool> stop_events = false;
    int wake_timer = -1;  // makes the event loop look at stop_events

    void run_poller();
    void run_events();
    void on_event(int event) noexcept;
    Result<LibvirtSnapshot> ask(std::unique_ptr<LibvirtConnection>& connection);
    void take_answer(Result<LibvirtSnapshot>&& result, Clock::time_point asked);
    void end_thread();
};

void LibvirtWatch::Shared::on_event(int event) noexcept {
    try {
        const std::lock_guard lock(mutex);
        news = true;
        sizes_changed = sizes_changed || event == VIR_DOMAIN_EVENT_DEFINED;
        changed.notify_all();
    } catch (const std::exception&) {
        // Only a broken mutex throws; the next interval brings the news.
    }
}

Result<LibvirtSnapshot> LibvirtWatch::Shared::ask(std::unique_ptr<LibvirtConnection>& connection) {
    if (!connection) {
        auto opened = LibvirtConnection::open(
            uri, [owner = shared_from_this()](int event) { owner->on_event(event); });
        if (!opened) return opened.error();
        connection = std::move(*opened);
    }
    {
        const std::lock_guard lock(mutex);
        if (std::exchange(sizes_changed, false)) connection->forget_sizes();
    }
    return connection->take_snapshot();
}

void LibvirtWatch::Shared::take_answer(Result<LibvirtSnapshot>&& result, Clock::time_point asked) {
    const std::lock_guard lock(mutex);
    if (result) {
        snapshot = std::make_shared<const LibvirtSnapshot>(std::move(*result));
        error.clear();
        silent_since.reset();
        return;
    }
    error = result.error().message;
    // A refusal is an answer; the end of a long silence is none.
    if (Clock::now() - asked < overdue_after) silent_since.reset();
}

void LibvirtWatch::Shared::run_poller() {
    std::unique_ptr<LibvirtConnection> connection;
    auto wait_to_reconnect = first_wait_to_reconnect;
    std::unique_lock lock(mutex);
    while (!stop) {
        const auto asked = Clock::now();
        if (!silent_since) silent_since = asked;
        news = false;
        lock.unlock();
        auto result = ask(connection);
        const bool answered = result.has_value();
        take_answer(std::move(result), asked);
        auto again = asked + interval;
        if (answered) {
            wait_to_reconnect = first_wait_to_reconnect;
        } else {
            connection.reset();
            again = Clock::now() + wait_to_reconnect;
            wait_to_reconnect = std::min(wait_to_reconnect * 2, longest_wait_to_reconnect);
        }
        lock.lock();
        // A storm of events asks libvirt no more than four times as often.
        const auto soonest = answered ? asked + interval / 4 : again;
        changed.wait_until(lock, soonest, [this] { return stop; });
        changed.wait_until(lock, again, [this] { return stop || news; });
    }
    lock.unlock();
    connection.reset();
    end_thread();
}

void LibvirtWatch::Shared::run_events() {
    while (!stop_events) {
        if (virEventRunDefaultImpl() < 0)
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    virEventRemoveTimeout(wake_timer);
    end_thread();
}

void LibvirtWatch::Shared::end_thread() {
    const std::lock_guard lock(mutex);
    --running;
    changed.notify_all();
}

LibvirtWatch::LibvirtWatch(std::string uri, std::chrono::milliseconds interval)
    : shared_(std::make_shared<Shared>(std::move(uri), interval)) {
    // libvirt would write each error to stderr.
    virSetErrorFunc(nullptr, [](void*, virErrorPtr) {});
    virEventRegisterDefaultImpl();
    shared_->wake_timer = virEventAddTimeout(
        -1, [](int, void*) {}, nullptr, nullptr);
    std::thread([shared = shared_] { shared->run_events(); }).detach();
    std::thread([shared = shared_] { shared->run_poller(); }).detach();
}

LibvirtWatch::~LibvirtWatch() {
    const auto longest = Clock::now() + longest_wait_at_end;
    std::unique_lock lock(shared_->mutex);
    shared_->stop = true;
    shared_->changed.notify_all();
    // The poller first: it closes the connection while the event loop still runs.
    shared_->changed.wait_until(lock, longest, [this] { return shared_->running < 2; });
    lock.unlock();
    shared_->stop_events = true;
    virEventUpdateTimeout(shared_->wake_timer, 0);
    lock.lock();
    shared_->changed.wait_until(lock, longest, [this] { return shared_->running == 0; });
}

LibvirtWatch::Answer LibvirtWatch::answer(Clock::time_point now) const {
    const std::lock_guard lock(shared_->mutex);
    Answer answer{shared_->snapshot, std::nullopt};
    if (shared_->silent_since && now - *shared_->silent_since > overdue_after) {
        const auto silence =
            std::chrono::duration_cast<std::chrono::seconds>(now - *shared_->silent_since);
        answer.problem = "no answer for " + std::to_string(silence.count()) + " s";
    } else if (!shared_->error.empty()) {
        answer.problem = shared_->error;
    } else if (!shared_->snapshot) {
        answer.problem = "not connected yet";
    }
    return answer;
}

}  // namespace virtpulse::agent
