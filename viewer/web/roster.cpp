#include "viewer/web/roster.h"

#include "viewer/web/overview.h"
#include "wire/frame_codec.h"
#include "wire/json_writer.h"

namespace virtpulse::viewer::web {
namespace {

std::size_t mixed(std::size_t digest, std::size_t value) {
    return digest * 1099511628211U ^ value;  // as FNV does it
}

std::size_t digest_of(const HostView& host) {
    std::size_t digest = host.naming;
    for (const auto& view : host.vms)
        digest = mixed(digest, given_kib(view.state->vm).value_or(0));
    return digest;
}

std::string json_of(const HostView& host, const RosterEntry& entry) {
    // Six bytes for a character at most.
    constexpr std::size_t longest = 6 * wire::longest_name;
    std::string out;
    wire::JsonWriter json(out);
    json.open('{');
    json.member("id", entry.number);
    json.member("serial", entry.serial);
    json.key("name");
    json.string(host.state->host().name, longest);
    json.key("vms");
    json.open('[');
    for (const auto& view : host.vms) {
        const auto& vm = view.state->vm;
        json.open('[');
        json.string(vm.name, longest);
        json.string(vm.uuid, longest);
        if (const auto given = given_kib(vm)) {
            json.number(*given);
        } else {
            json.null();
        }
        json.close(']');
    }
    json.close(']');
    json.close('}');
    return out;
}

}  // namespace

std::vector<const RosterEntry*> Roster::update(std::span<const HostView> hosts) {
    std::vector<const RosterEntry*> found;
    found.reserve(hosts.size());
    std::map<std::string, RosterEntry, std::less<>> kept;
    for (const auto& host : hosts) {
        const auto& name = host.state->host().name;
        auto node = entries_.extract(name);
        const bool is_new = node.empty();
        auto& entry = is_new ? kept[name] : kept.insert(kept.end(), std::move(node))->second;
        if (is_new) entry.number = ++last_number_;
        const auto digest = digest_of(host);
        if (is_new || digest != entry.digest) {
            entry.digest = digest;
            entry.serial = ++serial_;
            entry.json = json_of(host, entry);
        }
        found.push_back(&entry);
    }
    entries_ = std::move(kept);
    return found;
}

std::vector<std::string> roster_messages(std::span<const RosterEntry* const> entries,
                                         std::uint32_t known) {
    std::vector<std::string> messages;
    for (const auto* entry : entries) {
        if (entry->serial <= known) continue;
        if (messages.empty() || messages.back().size() > roster_message_bytes) {
            if (!messages.empty()) messages.back() += "]}";
            messages.emplace_back(R"({"type":"roster","hosts":[)");
        } else {
            messages.back() += ',';
        }
        messages.back() += entry->json;
    }
    if (!messages.empty()) messages.back() += "]}";
    return messages;
}

}  // namespace virtpulse::viewer::web
