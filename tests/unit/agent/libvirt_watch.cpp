// Against libvirt's built-in test driver, which needs no daemon; and a socket that never answers.
#include "userspace/inventory/libvirt_watch.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <thread>

#include "base/fd.h"
#include "tests/unit/agent/fake_tree.h"

using namespace virtpulse;
using namespace virtpulse::agent;
using namespace std::chrono_literals;

namespace {

template <class Condition>
bool comes_true(const Condition& condition) {
    for (int i = 0; i < 1500; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(20ms);
    }
    return false;
}

}  // namespace

TEST_CASE("libvirt's test driver is watched") {
    const LibvirtWatch watch("test:///default", 50ms);
    REQUIRE(comes_true([&] { return watch.answer().snapshot != nullptr; }));
    const auto first = watch.answer().snapshot;
    REQUIRE(first->domains.size() == 1);
    const auto& domain = first->domains[0];
    CHECK(domain.name == "test");
    CHECK(domain.uuid.size() == 36);
    CHECK(domain.state == wire::DomainState::running);
    CHECK(domain.vcpus == 2);
    CHECK(domain.ram_kib == 2097152);
    CHECK(domain.max_ram_kib == 8388608);
    CHECK(comes_true([&] { return !watch.answer().problem; }));
    CHECK(comes_true([&] { return watch.answer().snapshot->taken > first->taken; }));
}

TEST_CASE("a libvirt that cannot be reached is named in one line") {
    const FakeTree tree;
    const auto socket = tree.path("none").string();
    const LibvirtWatch watch("qemu+unix:///system?socket=" + socket);
    REQUIRE(comes_true([&] {
        return watch.answer().problem.value_or("").find("cannot connect to qemu+unix:///system") ==
               0;
    }));
    CHECK(watch.answer().problem->find(socket) != std::string::npos);
    CHECK(watch.answer().problem->find('\n') == std::string::npos);
    CHECK(!watch.answer().snapshot);
}

TEST_CASE("a libvirt that never answers holds up nobody") {
    const FakeTree tree;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = tree.path("s").string();
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
            0);
    REQUIRE(::listen(listener.get(), 4) == 0);

    auto watch = std::make_unique<LibvirtWatch>("qemu+unix:///system?socket=" + path);
    CHECK(watch->answer().problem == "not connected yet");
    const Fd connected(::accept(listener.get(), nullptr, nullptr));
    REQUIRE(connected);
    const auto later = std::chrono::steady_clock::now() + 12500ms;
    CHECK(watch->answer(later).problem == "no answer for 12 s");
    // Would wait until the socket is closed, which is after this.
    watch.reset();
}
