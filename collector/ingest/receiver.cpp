#include "collector/ingest/receiver.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "collector/clock.h"
#include "wire/message.h"

namespace virtpulse::collector {
namespace {

constexpr std::size_t batch_datagrams = 64;
constexpr std::size_t datagram_room = 65536;  // more than any datagram has
constexpr int wanted_buffer_bytes = 32 << 20;
constexpr int look_round_ms = 1000;  // for counters and the log while nothing comes

void widen_buffer(int socket) {
    // The first needs CAP_NET_ADMIN and passes net.core.rmem_max; the second is capped by it.
    if (::setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &wanted_buffer_bytes,
                     sizeof wanted_buffer_bytes) == 0) {
        return;
    }
    (void)::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &wanted_buffer_bytes,
                       sizeof wanted_buffer_bytes);
}

}  // namespace

// The memory that recvmmsg fills.
struct Receiver::Batch {
    std::vector<std::byte> room = std::vector<std::byte>(batch_datagrams * datagram_room);
    std::array<SocketAddress, batch_datagrams> from;
    std::array<iovec, batch_datagrams> vectors;
    std::array<mmsghdr, batch_datagrams> headers;

    void prepare() {
        for (std::size_t i = 0; i < batch_datagrams; ++i) {
            vectors[i] = {room.data() + i * datagram_room, datagram_room};
            headers[i] = {};
            headers[i].msg_hdr.msg_iov = &vectors[i];
            headers[i].msg_hdr.msg_iovlen = 1;
            headers[i].msg_hdr.msg_name = &from[i].storage;
            headers[i].msg_hdr.msg_namelen = sizeof from[i].storage;
        }
    }
};

Result<std::unique_ptr<Receiver>> Receiver::start(const SocketAddress& address, ArrivalQueue& queue,
                                                  Counters& counters) {
    const auto failed = [&] {
        return system_error("cannot listen on UDP " + address.text() +
                            " (another address can be given with --udp)");
    };
    Fd socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return failed();
    widen_buffer(socket.get());
    if (::bind(socket.get(), address.get(), address.length) != 0) return failed();
    Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return system_error("cannot make an eventfd");
    return std::unique_ptr<Receiver>(
        new Receiver(std::move(socket), std::move(wake), queue, counters));
}

Receiver::Receiver(Fd socket, Fd wake, ArrivalQueue& queue, Counters& counters)
    : socket_(std::move(socket)),
      wake_(std::move(wake)),
      queue_(queue),
      counters_(counters),
      batch_(std::make_unique<Batch>()),
      thread_([this] { run(); }) {}

Receiver::~Receiver() {
    const std::uint64_t one = 1;
    // A counter of 64 bits takes this.
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    thread_.join();
}

std::size_t Receiver::buffer_bytes() const {
    int bytes = 0;
    socklen_t length = sizeof bytes;
    (void)::getsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, &length);
    return static_cast<std::size_t>(bytes);
}

void Receiver::run() {
    std::array<pollfd, 2> polled{{{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    for (;;) {
        (void)::poll(polled.data(), polled.size(), look_round_ms);  // EINTR: round again
        if (polled[1].revents != 0) return;
        receive();
        read_kernel_drops();
        const auto now = RefusalLog::Clock::now();
        log_.flush(now);
        full_log_.flush(now);
    }
}

void Receiver::receive() {
    batch_->prepare();
    const int count =
        ::recvmmsg(socket_.get(), batch_->headers.data(), batch_datagrams, MSG_DONTWAIT, nullptr);
    if (count <= 0) return;  // nothing there; an ICMP error is of no interest
    const auto received_ms = unix_ms();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        const auto& header = batch_->headers[i];
        batch_->from[i].length = header.msg_hdr.msg_namelen;
        const auto* bytes = static_cast<const std::byte*>(batch_->vectors[i].iov_base);
        take({bytes, header.msg_len}, batch_->from[i], received_ms);
    }
}

void Receiver::take(std::span<const std::byte> bytes, const SocketAddress& from,
                    std::int64_t received_ms) {
    add(counters_.datagrams);
    add(counters_.datagram_bytes, bytes.size());
    auto arrival = std::make_shared<Arrival>();
    wire::Datagram datagram{};
    auto fault = wire::split_datagram(bytes, datagram);
    if (!fault) fault = parser_.parse(datagram.json, arrival->frame);
    if (fault) {
        counters_.count(fault->fault);
        log_.note(fault->message() + " from " + from.text(), RefusalLog::Clock::now());
        return;
    }
    arrival->sequence = datagram.sequence;
    arrival->received_ms = received_ms;
    std::string message;
    message.reserve(wire::message_header_bytes + datagram.json.size());
    wire::append_message(wire::MessageType::live, datagram.json, message);
    arrival->message = std::make_shared<const std::string>(std::move(message));
    const auto cost = memory_bytes(*arrival);
    if (!queue_.push(std::move(arrival), cost)) {
        counters_.count(Refusal::queue_full);
        full_log_.note("from " + from.text(), RefusalLog::Clock::now());
    }
}

void Receiver::read_kernel_drops() {
    // The count that SO_RXQ_OVFL would attach to each datagram, but there also after the last one.
    // Linux 4.12.
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t length = sizeof memory;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return;
    counters_.kernel_drops.store(memory[SK_MEMINFO_DROPS], std::memory_order_relaxed);
}

}  // namespace virtpulse::collector
