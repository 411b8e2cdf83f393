// Who did not get through the TLS handshake, for the log.
#pragma once

#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <string>

#include "collector/ingest/refusal_log.h"

namespace virtpulse::collector {

// Says the last one too, although nothing may come after it.
class HandshakeLog {
  public:
    HandshakeLog(const boost::asio::any_io_executor& executor, std::string what)
        : log_(std::move(what)), timer_(executor) {}

    void note(std::string reason) {
        log_.note(std::move(reason), std::chrono::steady_clock::now());
        timer_.expires_after(std::chrono::milliseconds(1100));
        timer_.async_wait([this](const auto& cancelled) {
            if (!cancelled) log_.flush(std::chrono::steady_clock::now());
        });
    }
    // Nothing waits any more.
    void stop() { timer_.cancel(); }

  private:
    RefusalLog log_;
    boost::asio::steady_timer timer_;
};

}  // namespace virtpulse::collector
