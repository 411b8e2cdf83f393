#include "collector/ingest/gate.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

using namespace virtpulse;
using namespace virtpulse::collector;

namespace {

const std::optional<Refusal> taken;

class Directory {
  public:
    Directory() {
        std::string name = std::filesystem::temp_directory_path() / "virtpulse-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

  private:
    std::filesystem::path path_;
};

void write(const std::string& path, const std::string& text, mode_t mode = 0600) {
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
}

std::unique_ptr<ReplayMemory> memory(const std::optional<std::string>& path = {}) {
    auto opened = ReplayMemory::open(path);
    REQUIRE(opened.has_value());
    return std::move(*opened);
}

const std::string key_text(64, 'a');

}  // namespace

TEST_CASE("each sequence number is taken once, in any order within the window, over the wrap") {
    const std::uint32_t first = GENERATE(0U, 5000U, 0x7ffffff0U, 0xfffffff0U);
    ReplayRecord record;
    CHECK(record.take(1000, first + 100) == taken);
    CHECK(record.take(1000, first + 100) == Refusal::replayed);
    CHECK(record.take(1000, first) == taken);
    CHECK(record.take(1000, first) == Refusal::replayed);
    for (std::uint32_t i = 1; i < 3000; ++i) {
        if (i == 100) continue;
        CHECK(record.take(1000, first + i) == taken);
        CHECK(record.take(1000, first + i) == Refusal::replayed);
    }
    CHECK(record.take(1000, first + 2999 - replay_window) == Refusal::behind_window);
    CHECK(record.take(1000, first + 2999 - replay_window + 1) == Refusal::replayed);
    // A leap forgets what was seen, but not what is behind it.
    CHECK(record.take(1000, first + 1'000'000) == taken);
    CHECK(record.take(1000, first + 1'000'000 - 1) == taken);
    CHECK(record.take(1000, first + 2999) == Refusal::behind_window);
}

TEST_CASE("a newer start begins anew, an older one is refused whatever its numbers") {
    ReplayRecord record;
    for (std::uint32_t i = 0; i < 10; ++i)
        CHECK(record.take(1000, i) == taken);
    CHECK(record.take(2000, 0) == taken);
    CHECK(record.take(2000, 0) == Refusal::replayed);
    for (std::uint32_t i = 0; i < 3000; i += 7)
        CHECK(record.take(1000, i) == Refusal::old_start);
    CHECK(record.take(2000, 1) == taken);
}

TEST_CASE("a window whose beginning was cut off begins with the next frame of that run") {
    ReplayRecord record;
    CHECK(record.take(1000, 50) == taken);
    record.run = std::uint64_t{2000} << 1 | 1;  // killed here
    CHECK(record.take(1000, 51) == Refusal::old_start);
    CHECK(record.take(2000, 3) == taken);
    CHECK(record.take(2000, 3) == Refusal::replayed);
}

TEST_CASE("what has been taken is known after the file was closed, and to one at a time") {
    const Directory directory;
    const auto path = directory.file("replay");
    {
        const auto first = memory(path);
        CHECK(first->take("a", 1000, 5, 1) == taken);
        CHECK(first->take("b", 1000, 5, 1) == taken);
        const auto second = ReplayMemory::open(path);
        REQUIRE(second.has_error());
        CHECK(second.error().message.find("in use") != std::string::npos);
    }
    const auto again = memory(path);
    CHECK(again->hosts() == 2);
    CHECK(again->take("a", 1000, 5, 2) == Refusal::replayed);
    CHECK(again->take("b", 999, 6, 2) == Refusal::old_start);
    CHECK(again->take("b", 1000, 6, 2) == taken);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    write(directory.file("other"), "somebody else's");
    const auto other = ReplayMemory::open(directory.file("other"));
    REQUIRE(other.has_error());
    CHECK(other.error().message.find("--replay-file") != std::string::npos);
    CHECK(ReplayMemory::open(directory.file("no/such/directory")).has_error());
}

TEST_CASE("a full memory forgets who has been silent for two days, and nobody else") {
    const auto all = memory();
    for (std::size_t i = 0; i < ReplayMemory::most_hosts; ++i)
        CHECK(all->take("host" + std::to_string(i), 1000, 1, i == 77 ? 5 : 10) == taken);
    CHECK(all->take("new", 1000, 1, 20) == Refusal::too_many_hosts);
    CHECK(all->take("host0", 1000, 2, 20) == taken);
    const auto later = ReplayMemory::forget_after_ms + 7;
    CHECK(all->take("new", 1000, 1, later) == taken);
    CHECK(all->take("newer", 1000, 1, later) == Refusal::too_many_hosts);
    CHECK(all->take("host76", 1000, 1, later) == Refusal::replayed);
    CHECK(all->hosts() == ReplayMemory::most_hosts);
}

TEST_CASE("a key file that others can read, or that is none, is refused with the remedy") {
    const Directory directory;
    const auto path = directory.file("keys");
    write(path, "1 " + key_text + " *\n");
    CHECK(read_keys(path).has_value());
    for (const mode_t mode : {0640U, 0604U, 0620U, 0601U, 0644U}) {
        write(path, "1 " + key_text + " *\n", mode);
        const auto refused = read_keys(path);
        REQUIRE(refused.has_error());
        CHECK(refused.error().message.find("chmod 600 " + path) != std::string::npos);
    }
    CHECK(read_keys(directory.file("")).has_error());
    CHECK(read_keys(directory.file("missing")).has_error());
    write(path, std::string(2 << 20, '\n'));
    CHECK(read_keys(path).has_error());
}

TEST_CASE("keys are renewed; what cannot be read changes nothing") {
    const Directory directory;
    GateRules rules;
    rules.key_file = directory.file("keys");
    write(*rules.key_file, "1 " + key_text + " *\n");
    auto gate = Gate::open(rules);
    REQUIRE(gate.has_value());
    CHECK(!(*gate)->takes_plain());
    const auto before = (*gate)->keys();
    write(*rules.key_file, "no key at all\n");
    CHECK((*gate)->renew_keys().has_error());
    CHECK((*gate)->keys() == before);
    write(*rules.key_file, "1 " + key_text + " *\n2 " + key_text + " *\n");
    CHECK((*gate)->renew_keys().has_value());
    CHECK((*gate)->keys()->size() == 2);
    CHECK(before->size() == 1);  // for who still works with it

    const auto open = Gate::open({});
    REQUIRE(open.has_value());
    CHECK((*open)->takes_plain());
    CHECK((*open)->keys() == nullptr);
}

TEST_CASE("a frame comes in with a key of its host, near in time, and once") {
    const Directory directory;
    GateRules rules;
    rules.key_file = directory.file("keys");
    rules.max_skew = std::chrono::seconds(10);
    write(*rules.key_file, "1 " + key_text + " rack1-*\n");
    auto gate = Gate::open(rules);
    REQUIRE(gate.has_value());
    const auto keys = (*gate)->keys();
    wire::Host host;
    host.name = "rack1-a";
    constexpr std::int64_t now_ms = 1'000'000;
    const auto admit = [&](double time_s, std::uint64_t start_us, std::uint32_t sequence) {
        host.time = time_s;
        return (*gate)->admit({sequence, start_us, keys->find(1), {}}, host, now_ms);
    };
    CHECK(admit(1000, 5, 1) == taken);
    CHECK(admit(1000, 5, 1) == Refusal::replayed);
    CHECK(admit(989, 5, 2) == Refusal::skew);
    CHECK(admit(1011, 5, 2) == Refusal::skew);
    CHECK(admit(1000, 1'011'000'000, 2) == Refusal::skew);  // a start yet to come
    CHECK(admit(991, 5, 2) == taken);                       // refused ones were not remembered
    CHECK(admit(1000, 4, 3) == Refusal::old_start);
    host.name = "rack2-a";
    CHECK(admit(1000, 5, 3) == Refusal::wrong_host);
}
