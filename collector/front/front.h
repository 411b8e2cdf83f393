// Other collectors behind this one: their frames come in here, and their hosts can be asked for.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/endpoint.h"
#include "base/result.h"
#include "collector/counters.h"
#include "collector/front/merge.h"
#include "collector/ingest/receiver.h"
#include "collector/query/parameters.h"
#include "collector/query/waiting.h"
#include "link/connection.h"
#include "wire/frame_codec.h"

namespace virtpulse::collector {

inline constexpr std::size_t most_behind = 32;
inline constexpr int most_forwarded_questions = 64;  // that wait at a time

struct FrontOptions {
    std::vector<Endpoint> collectors;  // behind
    std::optional<link::LinkTls> tls;  // of the connections to them; none: they are plain
};

// A viewer of each of them, in a thread of its own. None of them may be a front itself, which is
// asked before anything of it is taken: so nothing goes round in circles.
class Front {
  public:
    // Both outlive it. What the collectors relay goes into the queue. They need not be there.
    Front(const FrontOptions& options, ArrivalQueue& arrivals, Counters& counters);
    Front(const Front&) = delete;
    Front& operator=(const Front&) = delete;
    ~Front();

    // Any question from then on, and those that wait, are answered at once, with an error.
    void interrupt();

    // From a coroutine of any executor, where it goes on: all that Questions knows, but about. Of
    // `stats` these are the collectors' alone.
    boost::asio::awaitable<Result<Answer>> ask(std::string operation, Parameters parameters);

  private:
    using Json = nlohmann::ordered_json;

    struct Behind {
        Behind(boost::asio::any_io_executor executor, const Endpoint& endpoint,
               const std::optional<link::LinkTls>& tls, link::Connection::OnFrame on_frame)
            : connection(std::move(executor), endpoint, tls, std::move(on_frame)) {}
        [[nodiscard]] const std::string& address() const { return connection.status().address; }

        link::Connection connection;
        bool is_known = false;    // has said that it is no front
        std::string said_reason;  // why it does not answer, as the log has it
    };

    // All of it runs in the thread.
    void connect(const Endpoint& endpoint, const std::optional<link::LinkTls>& tls);
    boost::asio::awaitable<std::optional<std::string>> meet(Behind& behind,
                                                            link::Inquiries& inquiries);
    void note_state(Behind& behind, const link::LinkStatus& status);
    void count_connected();
    std::optional<std::string> take(Behind& behind, std::string_view json);

    boost::asio::awaitable<Result<Answer>> answer(std::string operation, Parameters parameters);
    boost::asio::awaitable<Result<Answer>> of_host(std::string operation, Parameters parameters);
    boost::asio::awaitable<Result<Answer>> hosts(Parameters parameters);
    boost::asio::awaitable<Result<Answer>> events(Parameters parameters);
    boost::asio::awaitable<Result<Answer>> snapshot(Parameters parameters);
    boost::asio::awaitable<Result<Answer>> stats();
    struct Inquiry {
        Behind* behind;
        std::string members;  // of the request
    };
    boost::asio::awaitable<Said> ask_one(Inquiry inquiry);
    // At once; what they say is in the order of the inquiries.
    boost::asio::awaitable<std::vector<Said>> ask_all(std::vector<Inquiry> inquiries);
    [[nodiscard]] std::vector<Inquiry> to_all(const std::string& members) const;

    ArrivalQueue& arrivals_;
    Counters& counters_;
    wire::FrameParser parser_;
    std::unordered_map<std::string, Behind*> heard_from_;  // each host, last
    std::atomic<bool> is_over_ = false;
    Waiting waiting_{most_forwarded_questions};
    std::vector<std::unique_ptr<Behind>> behind_;
    boost::asio::io_context io_{1};
    std::thread thread_;
};

}  // namespace virtpulse::collector
