#include "viewer/program.h"

#include <unistd.h>

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/terminal_text.h"
#include "viewer/csv.h"
#include "viewer/feed.h"
#include "viewer/json.h"
#include "viewer/screen/screen.h"
#include "viewer/terminal/list.h"
#include "viewer/terminal/list_header.h"
#include "viewer/terminal/output.h"
#include "viewer/web/server.h"

namespace virtpulse::viewer {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr auto refresh_interval = std::chrono::seconds(1);
constexpr auto first_look = milliseconds(150);  // on a screen, so that it is not empty at first
constexpr auto retry_output = milliseconds(5);  // while the reader of our output is slow

class Program {
  public:
    explicit Program(const Options& options) : options_(options), output_(STDOUT_FILENO) {
        feed_.emplace(io_.get_executor(), options_.tls);
    }

    int run() {
        if (const auto& tls = options_.tls) {  // said at once, not only beside each connection
            const auto usable = tls_client(tls->ca, tls->own);
            if (!usable) return complain(usable.error().message);
        }
        for (const auto& endpoint : options_.collectors)
            (void)feed_->connect(endpoint);  // the options have each once, and not too many
        if (options_.web) return serve();
        if (options_.mode == Mode::terminal) return show_on_terminal();
        spawn(present());
        if (draws_over()) spawn(follow_resizes());
        return wait_for_the_end();
    }

  private:
    int serve() {
        const web::Door door{
            *options_.web, {options_.web_certificate, options_.web_key}, options_.web_token_file};
        const auto server = web::Server::start(io_, *feed_, door, options_.unhealthy_only);
        if (!server) return complain(server.error().message);
        std::cout << "virtpulse-viewer: the page is at " << (*server)->url() << std::endl;
        spawn((*server)->run(options_.count, [this] { finish_counted(); }));
        return wait_for_the_end();
    }

    int show_on_terminal() {
        auto screen = screen::Screen::open(
            io_, [this] { return picture(false); }, options_.unhealthy_only);
        if (!screen) return complain(screen.error().message);
        spawn(show(**screen));
        return wait_for_the_end(std::move(*screen));
    }

    asio::awaitable<void> show(screen::Screen& screen) {
        const auto counted = co_await screen.run(options_.count);
        if (!counted) {
            finish(1, counted.error().message);
        } else if (*counted) {
            finish_counted();
        } else {
            finish(0);
        }
    }

    static int complain(const std::string& message) {
        std::cerr << "virtpulse-viewer: " << message << '\n';
        return 1;
    }

    // Gives the exit code. What has to be said is said when the terminal has been given back.
    int wait_for_the_end(std::unique_ptr<screen::Screen> screen = nullptr) {
        asio::signal_set ends(io_, SIGINT, SIGTERM, SIGHUP);
        ends.async_wait([this](const auto& error, int) {
            if (!error) finish(0);
        });
        io_.run();
        screen.reset();
        if (!complaint_.empty()) complain(complaint_);
        return exit_code_;
    }

    void spawn(asio::awaitable<void> task) {
        asio::co_spawn(io_, std::move(task), [](const std::exception_ptr& error) {
            if (error) std::rethrow_exception(error);  // out of io_.run()
        });
    }

    void finish(int exit_code, std::string complaint = {}) {
        exit_code_ = exit_code;
        complaint_ = std::move(complaint);
        io_.stop();
    }

    [[nodiscard]] bool draws_over() const {
        return options_.mode == Mode::list && output_.is_screen();
    }

    Picture picture(bool unhealthy_only) { return feed_->picture(unhealthy_only); }

    std::string refresh() {
        std::string text;
        if (options_.mode == Mode::json) {
            append_json_line(picture(options_.unhealthy_only), text);
        } else if (options_.mode == Mode::csv) {
            csv_.append(picture(options_.unhealthy_only), text);
        } else if (draws_over()) {
            const auto size = output_.size();
            // The last line is the cursor's.
            const auto lines = render_list(
                picture(options_.unhealthy_only),
                {size.columns, std::max<std::size_t>(size.rows, 2) - 1, output_.has_colour()});
            text = screen_update(lines, std::exchange(drawn_size_, size) != size);
        } else {
            for (const auto& line : render_list(picture(options_.unhealthy_only), {}))
                text += line + '\n';
            text += '\n';
        }
        return text;
    }

    // False where the program is to end.
    bool flush() {
        const auto done = output_.flush();
        if (done) return true;
        if (done.error().code == EPIPE) {
            finish(0);  // `| head` has seen enough
        } else {
            finish(1, done.error().message);
        }
        return false;
    }

    asio::awaitable<void> present() {
        asio::steady_timer timer(io_);
        auto next = Clock::now() + refresh_interval;
        if (draws_over()) {
            timer.expires_after(first_look);
            co_await timer.async_wait(asio::use_awaitable);
            output_.put(refresh());
            if (!flush()) co_return;
        }
        for (std::uint64_t shown = 0; !options_.count || shown < *options_.count; ++shown) {
            timer.expires_at(next);
            co_await timer.async_wait(asio::use_awaitable);
            // A refresh is never laid over an unfinished one: a slow reader sees fewer of them.
            while (!output_.idle()) {
                if (!flush()) co_return;
                if (output_.idle()) break;
                timer.expires_after(retry_output);
                co_await timer.async_wait(asio::use_awaitable);
            }
            output_.put(refresh());
            if (!flush()) co_return;
            next = std::max(next + refresh_interval, Clock::now());
        }
        while (!output_.idle()) {
            timer.expires_after(retry_output);
            co_await timer.async_wait(asio::use_awaitable);
            if (!flush()) co_return;
        }
        finish_counted();
    }

    // All refreshes asked for are made.
    void finish_counted() {
        if (feed_->received()) {
            finish(0);
        } else {
            finish(1, nothing_received());
        }
    }

    std::string nothing_received() {
        const auto seen = picture(false);
        std::string text = "no frame received";
        for (const auto* link : seen.links) {
            text += "; " + sanitised(link->address) + ": " + link_text(*link, seen.now);
        }
        return text;
    }

    asio::awaitable<void> follow_resizes() {
        asio::signal_set resized(io_, SIGWINCH);
        for (;;) {
            co_await resized.async_wait(asio::use_awaitable);
            if (!output_.idle()) continue;
            output_.put(refresh());
            if (!flush()) co_return;
        }
    }

    const Options& options_;
    Output output_;
    CsvWriter csv_;
    ScreenSize drawn_size_{0, 0};
    int exit_code_ = 0;
    std::string complaint_;
    std::optional<Feed> feed_;
    asio::io_context io_;  // last: what waits in it goes before what it refers to
};

}  // namespace

int run_viewer(const Options& options) {
    // The reader of our output may go at any time; write then says so.
    std::signal(SIGPIPE, SIG_IGN);
    try {
        Program program(options);
        return program.run();
    } catch (const std::exception& error) {
        std::cerr << "virtpulse-viewer: " << error.what() << '\n';
        return 1;
    }
}

}  // namespace virtpulse::viewer
