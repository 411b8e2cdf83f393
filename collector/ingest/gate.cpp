#include "collector/ingest/gate.h"

#include <cmath>

#include "base/secret_file.h"

namespace virtpulse::collector {

Result<wire::KeyRing> read_keys(const std::string& path) {
    const auto text = read_secret_file(path);
    if (!text) return text.error().within("--key-file");
    auto keys = wire::KeyRing::parse(text->text());
    if (!keys) return keys.error().within("--key-file " + path);
    return keys;
}

Result<std::unique_ptr<Gate>> Gate::open(const GateRules& rules) {
    std::unique_ptr<Gate> gate(new Gate(rules));
    if (!rules.key_file) return gate;
    if (const auto read = gate->renew_keys(); !read) return read.error();
    auto replay = ReplayMemory::open(rules.replay_file);
    if (!replay) return replay.error();
    gate->replay_ = std::move(*replay);
    return gate;
}

Result<> Gate::renew_keys() {
    auto read = read_keys(*rules_.key_file);
    if (!read) return read.error();
    auto keys = std::make_shared<const wire::KeyRing>(std::move(*read));
    const std::lock_guard lock(mutex_);
    keys_.swap(keys);
    return {};
}

std::shared_ptr<const wire::KeyRing> Gate::keys() const {
    const std::lock_guard lock(mutex_);
    return keys_;
}

std::optional<Refusal> Gate::admit(const wire::OpenedDatagram& datagram, const wire::Host& host,
                                   std::int64_t received_ms) {
    if (!datagram.key->allows(host.name)) return Refusal::wrong_host;
    const auto received = static_cast<double>(received_ms);
    const auto skew = static_cast<double>(rules_.max_skew.count());
    // A start in the future would shut the host out once its clock is right.
    if (std::abs(host.time * 1e3 - received) > skew ||
        static_cast<double>(datagram.start_us) / 1e3 > received + skew) {
        return Refusal::skew;
    }
    return replay_->take(host.name, datagram.start_us, datagram.sequence, received_ms);
}

}  // namespace virtpulse::collector
