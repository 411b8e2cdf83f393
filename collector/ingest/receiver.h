// Takes datagrams from the network: receives, opens, reads, hands on, and nothing else.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "collector/counters.h"
#include "collector/ingest/arrival.h"
#include "collector/ingest/arrival_pool.h"
#include "collector/ingest/gate.h"
#include "collector/ingest/refusal_log.h"
#include "collector/listen.h"
#include "collector/queue.h"
#include "wire/frame_codec.h"

namespace virtpulse::collector {

using ArrivalQueue = BoundedQueue<ArrivalPtr>;  // costs are bytes

class Receiver {
  public:
    // Binds the socket and starts the thread. `gate`, `queue` and `counters` outlive the receiver.
    // Several may share an address: the kernel then gives each agent to one of them, as long as
    // they are the same, so that what an agent sends stays in its order.
    static Result<std::unique_ptr<Receiver>> start(const SocketAddress& address, Gate& gate,
                                                   ArrivalQueue& queue, Counters& counters,
                                                   bool shared);
    Receiver(const Receiver&) = delete;
    Receiver& operator=(const Receiver&) = delete;
    ~Receiver();  // ends the thread

    // What the kernel granted for datagrams that wait.
    [[nodiscard]] std::size_t buffer_bytes() const;

  private:
    struct Batch;

    Receiver(Fd socket, Fd wake, Gate& gate, ArrivalQueue& queue, Counters& counters);
    void run();
    // Takes one batch of what waits, and hands it on. True where more may wait. Between two of them
    // the end and the counters are looked at.
    bool receive();
    void take(std::span<const std::byte> bytes, const SocketAddress& from,
              std::int64_t received_ms);
    // Opens, reads and judges. What is refused is counted and said.
    bool read(std::span<const std::byte> bytes, const SocketAddress& from, Arrival& arrival,
              std::string_view& json);
    void hand_on();
    bool refuse(const wire::FrameError& error, const SocketAddress& from);
    bool refuse(Refusal why, std::string_view host, const SocketAddress& from);
    void read_kernel_drops();

    Fd socket_;
    Fd wake_;
    Gate& gate_;
    ArrivalQueue& queue_;
    Counters& counters_;
    std::uint32_t kernel_drops_ = 0;
    std::shared_ptr<const wire::KeyRing> keys_;  // for the batch
    wire::Opener opener_;
    wire::FrameParser parser_;
    ArrivalPool pool_;
    std::vector<ArrivalQueue::Priced> taken_;  // of the batch
    RefusalLog log_{"datagrams that are no frames"};
    RefusalLog gate_log_{"frames that may not come in"};
    RefusalLog full_log_{"frames that came faster than they could be taken in"};
    std::unique_ptr<Batch> batch_;
    std::thread thread_;
};

}  // namespace virtpulse::collector
