#include "viewer/web/command.h"

#include <nlohmann/json.hpp>

namespace virtpulse::viewer::web {
namespace {

using Json = nlohmann::json;

std::optional<std::string> text_of(const Json& object, const char* name) {
    const auto at = object.find(name);
    if (at == object.end() || !at->is_string()) return std::nullopt;
    return at->get<std::string>();
}

// A moment since the epoch, or a length of time: neither is below 0.
std::optional<std::int64_t> seconds_of(const Json& value) {
    constexpr std::int64_t latest = std::int64_t{1} << 33;  // the year 2242
    if (!value.is_number_unsigned()) return std::nullopt;
    const auto seconds = value.get<std::uint64_t>();
    if (seconds > static_cast<std::uint64_t>(latest)) return std::nullopt;
    return static_cast<std::int64_t>(seconds);
}

std::optional<Command::History> history_of(const Json& document) {
    const auto at = document.find("history");
    if (at == document.end() || !at->is_object()) return std::nullopt;
    const auto member = [&](const char* name) -> std::optional<std::int64_t> {
        const auto found = at->find(name);
        return found == at->end() ? std::nullopt : seconds_of(*found);
    };
    const auto id = member("id");
    const auto from = member("from");
    const auto to = member("to");
    const auto step = member("step");
    if (!id || !from || !to || !step) return std::nullopt;
    return Command::History{static_cast<std::uint64_t>(*id),
                            text_of(*at, "host").value_or(""),
                            text_of(*at, "uuid").value_or(""),
                            text_of(*at, "metric").value_or(""),
                            *from,
                            *to,
                            *step};
}

}  // namespace

Result<Command> read_command(std::string_view json) {
    const auto deeper_than_needed = [](int depth, Json::parse_event_t, const Json&) {
        return depth <= 3;
    };
    const auto document = Json::parse(json, deeper_than_needed, /*allow_exceptions=*/false);
    if (!document.is_object()) return Error{"a command is a JSON object", 0};
    Command command;
    command.connect = text_of(document, "connect");
    command.disconnect = text_of(document, "disconnect");
    if (const auto show = document.find("show"); show != document.end() && show->is_object()) {
        const auto findings = show->find("findings");
        command.show.emplace(Command::Show{
            text_of(*show, "host").value_or(""),
            findings != show->end() && findings->is_boolean() && findings->get<bool>()});
    }
    command.history = history_of(document);
    if (const auto at = document.find("at"); at != document.end()) {
        const auto seconds = seconds_of(*at);
        if (seconds || at->is_null()) command.at = Command::At{seconds};
    }
    const auto seen = document.find("seen");
    command.seen = seen != document.end() && seen->is_boolean() && seen->get<bool>();
    if (!command.show && !command.seen && !command.connect && !command.disconnect &&
        !command.history && !command.at) {
        return Error{"no command is in it", 0};
    }
    return command;
}

}  // namespace virtpulse::viewer::web
