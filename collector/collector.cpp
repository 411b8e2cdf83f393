#include "collector/collector.h"

#include <filesystem>

#include <spdlog/spdlog.h>

namespace virtpulse::collector {
namespace {

// An installed collector finds its directory; one that is only tried out as root makes it.
Result<> make_default_directory() {
    const auto directory = std::filesystem::path(default_database).parent_path();
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (!error) return {};
    return Error{"cannot make " + directory.string() + ": " + error.message() +
                 ": name another file with --db FILE, or store nothing with --db none"};
}

}  // namespace

Result<std::unique_ptr<Collector>> Collector::start(const Options& options) {
    const auto tcp = resolve(options.tcp);
    if (!tcp) return tcp.error();

    TlsContext tls;
    if (options.tls) {
        auto made = tls_server(options.tls->own, options.tls->client_ca);
        if (!made) return made.error();
        tls = std::move(*made);
    }

    std::unique_ptr<Collector> collector(new Collector(options.tls));
    auto& c = *collector;
    if (auto opened = c.open_store(options); !opened) return opened.error();
    auto gate = Gate::open(options.gate);
    if (!gate) return gate.error();
    c.gate_ = std::move(*gate);
    if (options.front) {
        c.front_ = std::make_unique<Front>(*options.front, c.arrivals_, c.counters_);
    }
    c.questions_ =
        std::make_unique<Questions>(c.grid_, c.counters_, c.archive_.get(), c.front_.get());
    auto relay = Relay::start(*tcp, tls, c.grid_, c.counters_, *c.questions_);
    if (!relay) return relay.error();
    c.relay_ = std::move(*relay);
    if (auto started = c.start_http(options, options.http_tls ? tls : nullptr); !started)
        return started.error();

    const auto put = [&c](StoreItem item) {
        if (c.store_) c.store_->put(std::move(item));
    };
    c.keeper_ = std::make_unique<Keeper>(
        c.arrivals_, c.grid_, c.counters_,
        Keeper::Sinks{[&c](const auto& publications) { c.relay_->publish(publications); },
                      [put](ArrivalPtr arrival) { put(std::move(arrival)); },
                      [put](Event event) { put(std::move(event)); }});
    if (!options.front) {
        if (auto started = c.start_ingest(options); !started) return started.error();
    }
    if (options.remote_write) {
        c.remote_write_ =
            std::make_unique<RemoteWrite>(*options.remote_write, c.grid_, c.counters_);
        spdlog::info("metrics go to {} every {} s", options.remote_write->url.text(),
                     options.remote_write->every.count());
    }

    spdlog::info("viewers on TCP {}{}, {}", tcp->text(),
                 !options.tls                     ? ""
                 : options.tls->client_ca.empty() ? " (TLS)"
                                                  : " (TLS, with certificates of theirs)",
                 options.front ? std::to_string(options.front->collectors.size()) +
                                     " collectors behind this one"
                 : options.database ? "database " + *options.database
                                    : std::string("nothing is stored (--db none)"));
    if (const auto keys = c.gate_->keys()) {
        spdlog::info("{} keys for sealed frames; plain ones are {}; what has been seen is {}",
                     keys->size(), options.gate.take_plain ? "taken too" : "refused",
                     options.gate.replay_file ? "kept in " + *options.gate.replay_file
                                              : "forgotten at the end (--replay-file keeps it)");
    }
    return collector;
}

Result<> Collector::start_ingest(const Options& options) {
    const auto udp = resolve(options.udp);
    if (!udp) return udp.error();
    for (unsigned i = 0; i < options.receivers; ++i) {
        auto receiver = Receiver::start(*udp, *gate_, arrivals_, counters_, options.receivers > 1);
        if (!receiver) return receiver.error();
        receivers_.push_back(std::move(*receiver));
    }
    spdlog::info("frames on UDP {} ({} KiB of buffer)", udp->text(),
                 receivers_.front()->buffer_bytes() / 1024);
    return {};
}

void Collector::renew() {
    if (gate_->keys()) renew_keys();
    if (tls_) renew_tls();
}

void Collector::renew_tls() {
    auto renewed = tls_server(tls_->own, tls_->client_ca);
    if (!renewed) {
        spdlog::error("the certificates stay as they are: {}", renewed.error().message);
        return;
    }
    if (http_) http_->renew(*renewed);
    relay_->renew(std::move(*renewed));
    spdlog::info("who connects from now on is shown {}", tls_->own.certificate);
}

void Collector::renew_keys() {
    if (const auto renewed = gate_->renew_keys(); !renewed) {
        spdlog::error("the keys stay as they are: {}", renewed.error().message);
        return;
    }
    spdlog::info("{} keys for sealed frames from now on", gate_->keys()->size());
}

Result<> Collector::open_store(const Options& options) {
    if (!options.database) return {};
    if (options.default_database) {
        if (auto made = make_default_directory(); !made) return made;
    }
    auto store = Store::start(*options.database, options.keep, counters_);
    if (!store) return store.error();
    store_ = std::move(*store);
    archive_ = std::make_unique<Archive>(*options.database, options.keep);
    return {};
}

Result<> Collector::start_http(const Options& options, TlsContext tls) {
    if (!options.http) return {};
    const auto address = resolve(*options.http);
    if (!address) return address.error();
    auto http = Http::start(*address, std::move(tls), grid_, counters_, *questions_);
    if (!http) return http.error();
    http_ = std::move(*http);
    return {};
}

void Collector::stop() {
    // Along the flow, so that each hands on what it has.
    if (archive_) archive_->interrupt();
    if (front_) front_->interrupt();
    receivers_.clear();
    remote_write_.reset();
    keeper_.reset();
    store_.reset();
    http_.reset();
    relay_.reset();
    front_.reset();
    archive_.reset();
}

}  // namespace virtpulse::collector
