#include "collector/ingest/receiver.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "base/terminal_text.h"
#include "base/thread_name.h"
#include "collector/clock.h"
#include "wire/message.h"

namespace virtpulse::collector {
namespace {

constexpr std::size_t batch_datagrams = 64;
// More than any datagram has, and no multiple of what a CPU's cache has in one of its ways: else
// the beginnings of all would be in the same few lines of it.
constexpr std::size_t datagram_room = 65536 + 33 * 64;
constexpr int wanted_buffer_bytes = 32 << 20;
constexpr int look_round_ms = 1000;  // for counters and the log while nothing comes
// What comes within this time is taken together: three threads wake for each batch, and to wake one
// costs as much as to read a frame. It is what a frame waits at the longest.
constexpr timespec gather_for{0, 1'000'000};

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

Result<std::unique_ptr<Receiver>> Receiver::start(const SocketAddress& address, Gate& gate,
                                                  ArrivalQueue& queue, Counters& counters,
                                                  bool shared) {
    const auto failed = [&] {
        return system_error("cannot listen on UDP " + address.text() +
                            " (another address can be given with --udp)");
    };
    Fd socket(::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return failed();
    widen_buffer(socket.get());
    constexpr int on = 1;
    if (shared && ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
        return failed();
    }
    if (::bind(socket.get(), address.get(), address.length) != 0) return failed();
    Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return system_error("cannot make an eventfd");
    return std::unique_ptr<Receiver>(
        new Receiver(std::move(socket), std::move(wake), gate, queue, counters));
}

Receiver::Receiver(Fd socket, Fd wake, Gate& gate, ArrivalQueue& queue, Counters& counters)
    : socket_(std::move(socket)),
      wake_(std::move(wake)),
      gate_(gate),
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
    name_thread("receiver");
    std::array<pollfd, 2> polled{{{socket_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    bool is_more = false;
    for (;;) {
        // EINTR: round again
        (void)::poll(polled.data(), polled.size(), is_more ? 0 : look_round_ms);
        if (polled[1].revents != 0) return;
        is_more = receive();
        if (!is_more) (void)::ppoll(&polled[1], 1, &gather_for, nullptr);
        read_kernel_drops();
        const auto now = RefusalLog::Clock::now();
        log_.flush(now);
        gate_log_.flush(now);
        full_log_.flush(now);
    }
}

bool Receiver::receive() {
    batch_->prepare();
    const int count =
        ::recvmmsg(socket_.get(), batch_->headers.data(), batch_datagrams, MSG_DONTWAIT, nullptr);
    if (count <= 0) return false;  // nothing there; an ICMP error is of no interest
    const auto received_ms = unix_ms();
    keys_ = gate_.keys();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
        const auto& header = batch_->headers[i];
        batch_->from[i].length = header.msg_hdr.msg_namelen;
        const auto* bytes = static_cast<const std::byte*>(batch_->vectors[i].iov_base);
        take({bytes, header.msg_len}, batch_->from[i], received_ms);
    }
    hand_on();
    return count == batch_datagrams;
}

void Receiver::take(std::span<const std::byte> bytes, const SocketAddress& from,
                    std::int64_t received_ms) {
    add(counters_.datagrams);
    add(counters_.datagram_bytes, bytes.size());
    auto arrival = pool_.take();
    arrival->received_ms = received_ms;
    std::string_view json;
    if (!read(bytes, from, *arrival, json)) return;
    std::string message;
    message.reserve(wire::message_header_bytes + json.size());
    wire::append_message(wire::MessageType::live, json, message);
    arrival->message = std::make_shared<const std::string>(std::move(message));
    const auto cost = memory_bytes(*arrival);
    pool_.keep(arrival, cost);
    taken_.push_back({std::move(arrival), cost});
}

void Receiver::hand_on() {
    queue_.push_all(taken_);
    for (const auto& refused : taken_) {
        counters_.count(Refusal::queue_full);
        full_log_.note("of host " + sanitised(refused.item->frame.host.name),
                       RefusalLog::Clock::now());
    }
    taken_.clear();
}

bool Receiver::read(std::span<const std::byte> bytes, const SocketAddress& from, Arrival& arrival,
                    std::string_view& json) {
    if (keys_ && wire::is_sealed(bytes)) {
        wire::OpenedDatagram opened;
        if (const auto fault = opener_.open(bytes, *keys_, opened)) return refuse(*fault, from);
        json = opened.json;
        arrival.sequence = opened.sequence;
        if (const auto fault = parser_.parse(json, arrival.frame)) return refuse(*fault, from);
        const auto& host = arrival.frame.host;
        const auto refused = gate_.admit(opened, host, arrival.received_ms);
        return refused ? refuse(*refused, host.name, from) : true;
    }
    wire::Datagram datagram{};
    auto fault = wire::split_datagram(bytes, datagram);
    if (!fault && !gate_.takes_plain()) return refuse(Refusal::plain, {}, from);
    json = datagram.json;
    arrival.sequence = datagram.sequence;
    if (!fault) fault = parser_.parse(json, arrival.frame);
    return fault ? refuse(*fault, from) : true;
}

bool Receiver::refuse(const wire::FrameError& error, const SocketAddress& from) {
    counters_.count(error.fault);
    log_.note(error.message() + " from " + from.text(), RefusalLog::Clock::now());
    return false;
}

bool Receiver::refuse(Refusal why, std::string_view host, const SocketAddress& from) {
    counters_.count(why);
    std::string reason(refusal_name(why));
    if (!host.empty()) reason += " host " + sanitised(host);
    gate_log_.note(reason + " from " + from.text(), RefusalLog::Clock::now());
    return false;
}

void Receiver::read_kernel_drops() {
    // The count that SO_RXQ_OVFL would attach to each datagram, but there also after the last one.
    // Linux 4.12.
    std::array<std::uint32_t, SK_MEMINFO_VARS> memory{};
    socklen_t length = sizeof memory;
    if (::getsockopt(socket_.get(), SOL_SOCKET, SO_MEMINFO, memory.data(), &length) != 0) return;
    const auto drops = memory[SK_MEMINFO_DROPS];
    add(counters_.kernel_drops, drops - kernel_drops_);  // of 32 bits, which wrap
    kernel_drops_ = drops;
}

}  // namespace virtpulse::collector
