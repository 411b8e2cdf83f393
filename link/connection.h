// The connection to one collector: made, kept, and made again.
#pragma once

#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "base/backoff.h"
#include "base/endpoint.h"
#include "base/result.h"
#include "base/stream.h"
#include "base/tls.h"
#include "link/inquiries.h"
#include "link/status.h"

namespace virtpulse::link {

inline constexpr auto connect_patience = std::chrono::seconds(5);  // for each address

// Files, as tls_client takes them. They are read at each attempt: certificates may be renewed.
struct LinkTls {
    std::string ca;
    TlsIdentity own;
};

class Connection {
  public:
    // Is given each live sample's text; says why it is not taken, as where it is no frame.
    using OnFrame = std::function<std::optional<std::string>(std::string_view json)>;
    // Asks a collector, when a connection to it stands, whether it is the right one. A reason ends
    // the connection.
    using Introduction =
        std::function<boost::asio::awaitable<std::optional<std::string>>(Inquiries& inquiries)>;
    using OnState = std::function<void(const LinkStatus& status)>;

    // Plain where there is no `tls`.
    Connection(boost::asio::any_io_executor executor, Endpoint endpoint, std::optional<LinkTls> tls,
               OnFrame on_frame);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // Both before run().
    void introduce_by(Introduction introduction) { introduction_ = std::move(introduction); }
    void on_state(OnState on_state) { on_state_ = std::move(on_state); }

    // Connects, reads, and begins again whenever that fails; never ends by itself.
    boost::asio::awaitable<void> run();
    [[nodiscard]] const LinkStatus& status() const { return status_; }
    // Where the collector can be asked, while the connection stands.
    [[nodiscard]] const std::shared_ptr<Inquiries>& inquiries() const { return inquiries_; }

  private:
    using Socket = boost::asio::ip::tcp::socket;

    // Each gives the reason why the connection does not stand.
    boost::asio::awaitable<std::string> attempt();
    boost::asio::awaitable<std::string> read_until_it_ends(Stream& stream);
    boost::asio::awaitable<std::string> write_inquiries(Stream& stream);
    boost::asio::awaitable<std::string> introduce();
    boost::asio::awaitable<Result<Socket>> connect();
    [[nodiscard]] std::string reason_of(const boost::system::error_code& error) const;
    void enter(LinkState state);
    void take_live(std::string_view json);

    boost::asio::any_io_executor executor_;
    Endpoint endpoint_;
    std::optional<LinkTls> tls_;
    OnFrame on_frame_;
    Introduction introduction_;
    OnState on_state_;
    LinkStatus status_;
    std::shared_ptr<Inquiries> inquiries_;
    Backoff backoff_;
    std::minstd_rand random_;
};

}  // namespace virtpulse::link
