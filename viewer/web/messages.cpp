#include "viewer/web/messages.h"

#include <array>

#include "viewer/json.h"
#include "wire/json_writer.h"

namespace virtpulse::viewer::web {
namespace {

constexpr std::size_t longest_text = 4096;

void write_text(wire::JsonWriter& json, std::string_view name, std::string_view text) {
    json.key(name);
    json.string(text, longest_text);
}

void begin(wire::JsonWriter& json, std::string_view type) {
    json.open('{');
    write_text(json, "type", type);
}

void write_threshold(wire::JsonWriter& json, const Threshold& threshold) {
    json.key(threshold.name);
    json.open('[');
    for (const double corner : {threshold.well, threshold.high, threshold.critical})
        json.number(corner);
    json.close(']');
}

}  // namespace

std::string hello_message(bool unhealthy_only) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "hello");
    write_text(json, "version", VIRTPULSE_VERSION);
    json.key("unhealthy");
    json.boolean(unhealthy_only);
    json.key("forget_after_s");
    json.number(std::chrono::duration<double>(forget_after).count());
    json.key("silent_severity");
    json.number(silent_severity);
    json.key("thresholds");
    json.open('{');
    for (const auto& threshold : thresholds)
        write_threshold(json, threshold);
    write_threshold(json, run_delay_threshold);
    json.close('}');
    json.close('}');
    return out;
}

std::string status_message(const Picture& picture, std::uint64_t refused, std::uint64_t skipped) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "status");
    json.key("time");
    json.number(picture.time_s);
    json.member("refused", refused);
    json.member("skipped", skipped);
    json.key("collectors");
    json.open('[');
    for (const auto* link : picture.links)
        write_link(json, *link, picture.now);
    json.close(']');
    json.close('}');
    return out;
}

std::string host_message(std::string_view name, double second, const std::optional<HostView>& host,
                         const std::vector<std::string>& frames) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "host");
    write_text(json, "name", name);
    json.key("second");
    json.number(second);
    json.key("host");
    if (host) {
        write_host(json, *host);
    } else {
        json.null();
    }
    json.key("frames");
    out += '[';
    for (const auto& frame : frames) {  // each was read as JSON before
        if (out.back() != '[') out += ',';
        out += frame;
    }
    out += "]}";
    return out;
}

std::string findings_message(const Findings& findings) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "findings");
    json.member("more", findings.more);
    json.key("worst");
    json.open('[');
    for (const auto& finding : findings.worst) {
        json.open('{');
        json.key("severity");
        json.number(finding.severity);
        write_text(json, "level", level_name(level_of(finding.severity)));
        write_text(json, "host", finding.host);
        write_text(json, "vm", finding.vm);
        write_text(json, "uuid", finding.vm_uuid);
        write_text(json, "text", finding.text);
        json.close('}');
    }
    json.close(']');
    json.close('}');
    return out;
}

std::string history_message(std::uint64_t id, const Result<std::string>& answer) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "history");
    json.member("id", id);
    json.key("error");
    if (answer) {
        json.null();
    } else {
        json.string(answer.error().message, longest_text);
    }
    json.key("answer");
    out += answer ? std::string_view(*answer) : "null";  // was read as JSON before
    out += '}';
    return out;
}

std::string moment_message(std::optional<std::int64_t> at_s, std::string_view state,
                           std::string_view reason) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "moment");
    json.key("at");
    if (at_s) {
        json.number(static_cast<std::uint64_t>(*at_s));
    } else {
        json.null();
    }
    write_text(json, "state", state);
    json.key("reason");
    if (reason.empty()) {
        json.null();
    } else {
        json.string(reason, longest_text);
    }
    json.close('}');
    return out;
}

std::string answer_message(std::string_view command, std::string_view address,
                           std::string_view error) {
    std::string out;
    wire::JsonWriter json(out);
    begin(json, "answer");
    write_text(json, "command", command);
    write_text(json, "address", address);
    json.key("error");
    if (error.empty()) {
        json.null();
    } else {
        json.string(error, longest_text);
    }
    json.close('}');
    return out;
}

}  // namespace virtpulse::viewer::web
