#include "userspace/emit/collectors.h"

#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace virtpulse::agent {
namespace {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto resolve_again_after = 60s;
constexpr auto retry_failed_after = 5s;
constexpr int send_buffer_bytes = 4 << 20;    // a sample of a large host in parts, at once
constexpr std::size_t most_in_a_call = 1024;  // the kernel takes no more (UIO_MAXIOV)

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;

    bool operator==(const Address& other) const {
        return length == other.length && std::memcmp(&storage, &other.storage, length) == 0;
    }
};

Result<std::vector<Address>> resolve(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    const int error =
        getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
    if (error != 0) return Error{gai_strerror(error)};
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
    std::vector<Address> addresses;
    for (const addrinfo* info = list; info; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(sockaddr_storage)) continue;
        Address address;
        std::memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        address.length = info->ai_addrlen;
        addresses.push_back(address);
    }
    return addresses;
}

}  // namespace

// What the resolving thread and the sender share; lives as long as either.
struct Collectors::Shared {
    struct Entry {
        Endpoint endpoint;
        std::vector<Address> addresses;
        std::uint64_t generation = 0;  // of `addresses`
        bool looked_up = false;
        std::string failure;  // of the last look-up
        steady_clock::time_point due = steady_clock::now();
    };
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<Entry> entries;
    bool stop = false;

    static void run(const std::shared_ptr<Shared>& self);
    void look_up(std::unique_lock<std::mutex>& lock, std::size_t index);
};

void Collectors::Shared::look_up(std::unique_lock<std::mutex>& lock, std::size_t index) {
    const Endpoint endpoint = entries[index].endpoint;
    lock.unlock();
    auto found = resolve(endpoint);
    lock.lock();
    Entry& entry = entries[index];
    const std::string failure = found ? std::string{} : found.error().message;
    if (failure != entry.failure) {
        if (failure.empty()) {
            spdlog::info("collector {}: its name is known again", endpoint.text());
        } else {
            spdlog::warn("collector {}: cannot resolve the name: {}; trying again", endpoint.text(),
                         failure);
        }
        entry.failure = failure;
    }
    if (found && *found != entry.addresses) {
        entry.addresses = std::move(*found);
        ++entry.generation;
    }
    entry.looked_up = true;
    entry.due = steady_clock::now() + (failure.empty() ? resolve_again_after : retry_failed_after);
    changed.notify_all();
}

void Collectors::Shared::run(const std::shared_ptr<Shared>& self) {
    std::unique_lock lock(self->mutex);
    while (!self->stop) {
        const auto next = std::ranges::min_element(self->entries, {}, &Entry::due);
        if (next == self->entries.end()) return;
        if (next->due > steady_clock::now()) {
            self->changed.wait_until(lock, next->due);
            continue;
        }
        self->look_up(lock, static_cast<std::size_t>(next - self->entries.begin()));
    }
}

struct Collectors::Peer {
    Fd socket;
    std::vector<Address> addresses;
    std::uint64_t generation = 0;
    std::size_t next_address = 0;
    std::string failure;  // last said
};

Collectors::Collectors(std::vector<Endpoint> endpoints) : shared_(std::make_shared<Shared>()) {
    for (auto& endpoint : endpoints)
        shared_->entries.emplace_back().endpoint = std::move(endpoint);
    peers_.resize(shared_->entries.size());
    std::thread([shared = shared_] { Shared::run(shared); }).detach();
}

Collectors::~Collectors() {
    const std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
    shared_->changed.notify_all();
}

void Collectors::wait_until_resolved(std::chrono::milliseconds longest) {
    std::unique_lock lock(shared_->mutex);
    shared_->changed.wait_for(lock, longest, [this] {
        return std::ranges::all_of(shared_->entries, &Shared::Entry::looked_up);
    });
}

bool Collectors::open_next_address(Peer& peer) {
    peer.socket.reset();
    for (std::size_t tried = 0; tried < peer.addresses.size(); ++tried) {
        const Address& address = peer.addresses[peer.next_address++ % peer.addresses.size()];
        Fd fd(socket(address.storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!fd) continue;
        // Not fatal: the default buffer serves all but the largest hosts.
        setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes, sizeof send_buffer_bytes);
        // Connected, so that the answer "nobody listens here" reaches us.
        if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage),
                    address.length) != 0) {
            continue;
        }
        peer.socket = std::move(fd);
        return true;
    }
    return false;
}

bool Collectors::try_send(Peer& peer, std::string_view datagram) {
    const auto send_it = [&] {
        return ::send(peer.socket.get(), datagram.data(), datagram.size(),
                      MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
    };
    if (!peer.socket && !open_next_address(peer)) {
        errno = EHOSTUNREACH;
        return false;
    }
    if (send_it()) return true;
    if (errno != ECONNREFUSED) return false;
    // Said of the datagram before this one: the next address of the name, if any, or once more
    // here.
    if (peer.addresses.size() > 1 && !open_next_address(peer)) return false;
    return send_it();
}

// As many as go at once; gives how many did. Fewer than all: the next one is to be tried alone.
std::size_t Collectors::send_batch(Peer& peer, std::span<const std::string> datagrams) {
    if (!peer.socket || datagrams.empty()) return 0;
    const std::size_t count = std::min(datagrams.size(), most_in_a_call);
    bytes_.resize(count);
    headers_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        // Only read from.
        bytes_[i] = {const_cast<char*>(datagrams[i].data()), datagrams[i].size()};
        headers_[i] = {};
        headers_[i].msg_hdr.msg_iov = &bytes_[i];
        headers_[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = ::sendmmsg(peer.socket.get(), headers_.data(), static_cast<unsigned>(count),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    // Where no other address can be had, that is found out with the next one.
    if (errno == ECONNREFUSED && peer.addresses.size() > 1) (void)open_next_address(peer);
    return 0;
}

// Gives the error of the last one that was not sent; 0 where all were. The kernel does not tell
// what stopped a batch after its first: so one goes alone, and then the rest together, again after
// each stop.
int Collectors::send_all(Peer& peer, std::span<const std::string> datagrams) {
    int error = 0;
    while (!datagrams.empty()) {
        if (!try_send(peer, datagrams.front())) {
            error = errno;
            ++errors_;
        }
        datagrams = datagrams.subspan(1);
        datagrams = datagrams.subspan(send_batch(peer, datagrams));
    }
    return error;
}

void Collectors::send(std::span<const std::string> datagrams) {
    const std::lock_guard lock(shared_->mutex);  // held by the other thread for moments only
    for (std::size_t i = 0; i < peers_.size(); ++i) {
        Peer& peer = peers_[i];
        auto& entry = shared_->entries[i];
        if (peer.generation != entry.generation) {
            peer.addresses = entry.addresses;
            peer.generation = entry.generation;
            peer.next_address = 0;
            peer.socket.reset();
        }
        if (peer.addresses.empty()) {
            errors_ += datagrams.size();
            continue;
        }
        const int error = send_all(peer, datagrams);
        if (error == 0) {
            if (!peer.failure.empty()) {
                spdlog::info("collector {}: sending again", entry.endpoint.text());
                peer.failure.clear();
            }
            continue;
        }
        const std::string failure = std::strerror(error);
        if (failure != peer.failure) {
            spdlog::warn("collector {}: cannot send: {}; going on", entry.endpoint.text(), failure);
            peer.failure = failure;
        }
        entry.due = std::min(entry.due, steady_clock::now() + retry_failed_after);
        shared_->changed.notify_all();
    }
}

}  // namespace virtpulse::agent
