// The connections to the collectors, and what they brought: the same for every face.
#pragma once

#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "link/connection.h"
#include "viewer/model/grid.h"
#include "viewer/picture.h"
#include "wire/frame_codec.h"

namespace virtpulse::viewer {

using link::Connection;
using link::Inquiries;
using link::LinkTls;

inline constexpr std::size_t most_collectors = 64;

// Which sample of which host a frame belongs to.
struct FrameHead {
    std::string host;
    double time = 0;
    std::optional<std::uint64_t> sample;
};

class Feed {
  public:
    // Is given the text of each frame that brought something new.
    using OnNews = std::function<void(const FrameHead& head, std::string_view json)>;

    // All connections speak TLS, or none does.
    explicit Feed(boost::asio::any_io_executor executor, std::optional<LinkTls> tls = {})
        : executor_(std::move(executor)), tls_(std::move(tls)) {}

    void on_news(OnNews on_news) { on_news_ = std::move(on_news); }

    // Begins to connect, and goes on until told to stop. An error where there is such a connection
    // already, or too many.
    Result<> connect(const Endpoint& endpoint);
    // False where there is no such connection. Its hosts fade as any that are heard of no more.
    bool disconnect(std::string_view address);

    // Everything as it is now; hosts whose time is over are dropped.
    Picture picture(bool unhealthy_only);
    [[nodiscard]] std::vector<const LinkStatus*> links() const;
    [[nodiscard]] std::optional<HostView> host(std::string_view name) const;
    [[nodiscard]] const Grid& grid() const { return grid_; }
    // The collectors to which a connection stands: the one that `host` is heard of from first.
    [[nodiscard]] std::vector<std::shared_ptr<Inquiries>> askable(std::string_view host = {}) const;
    // Asks these one after the other until one has an answer; the error is the first one's.
    boost::asio::awaitable<Result<std::string>> ask(std::string host, std::string members);
    [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }
    // Whether any frame came, ever.
    [[nodiscard]] bool received() const { return received_; }

  private:
    struct Link {
        Link(boost::asio::any_io_executor executor, const Endpoint& endpoint,
             const std::optional<LinkTls>& tls, Connection::OnFrame on_frame, std::size_t number)
            : connection(std::move(executor), endpoint, tls, std::move(on_frame)), source(number) {}
        Connection connection;
        std::size_t source;
        boost::asio::cancellation_signal stop;
        bool is_stopped = false;
    };
    std::optional<std::string> take_frame(std::string_view json, std::size_t source);

    boost::asio::any_io_executor executor_;
    std::optional<LinkTls> tls_;
    OnNews on_news_;
    Grid grid_;
    wire::FrameParser parser_;
    wire::Frame frame_;
    std::list<Link> links_;  // their coroutines hold on to their addresses
    std::size_t next_source_ = 0;
    bool received_ = false;
};

}  // namespace virtpulse::viewer
