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
    const auto seen = document.find("seen");
    command.seen = seen != document.end() && seen->is_boolean() && seen->get<bool>();
    if (!command.show && !command.seen && !command.connect && !command.disconnect) {
        return Error{"no command is in it", 0};
    }
    return command;
}

}  // namespace virtpulse::viewer::web
