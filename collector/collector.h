// The rooms of the collector, put together.
#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/result.h"
#include "collector/counters.h"
#include "collector/export/remote_write.h"
#include "collector/front/front.h"
#include "collector/grid/keeper.h"
#include "collector/ingest/receiver.h"
#include "collector/options.h"
#include "collector/query/questions.h"
#include "collector/serve/http.h"
#include "collector/serve/relay.h"
#include "collector/store/store.h"

namespace virtpulse::collector {

// Threads: one or more receivers, or a front -> keeper -> store and relay; archive and HTTP beside
// them.
// Between them are bounded queues, so that none waits for another.
class Collector {
  public:
    // All of it runs, or nothing does and the error says why in one line.
    static Result<std::unique_ptr<Collector>> start(const Options& options);
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;
    ~Collector() { stop(); }

    // Ends within a second; what was received is stored first.
    void stop();

    // Reads the key file and the certificates again, where there are any. What cannot be used is
    // said in the log, and the old ones stay.
    void renew();

  private:
    explicit Collector(std::optional<PortTls> tls) : tls_(std::move(tls)) {}
    void renew_keys();
    void renew_tls();
    Result<> open_store(const Options& options);
    Result<> start_ingest(const Options& options);
    Result<> start_http(const Options& options, TlsContext tls);

    const std::optional<PortTls> tls_;
    Counters counters_;
    SharedGrid grid_;
    ArrivalQueue arrivals_{std::size_t{64} << 20};
    std::unique_ptr<Store> store_;      // nothing with --db none
    std::unique_ptr<Archive> archive_;  // the same
    std::unique_ptr<Front> front_;      // nothing without --behind
    std::unique_ptr<Questions> questions_;
    std::unique_ptr<Relay> relay_;
    std::unique_ptr<Http> http_;                 // nothing with --http none
    std::unique_ptr<RemoteWrite> remote_write_;  // nothing without --remote-write
    std::unique_ptr<Keeper> keeper_;
    std::unique_ptr<Gate> gate_;
    std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace virtpulse::collector
