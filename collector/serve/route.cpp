#include "collector/serve/route.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "collector/query/text_result.h"

namespace virtpulse::collector {
namespace {

std::string_view cut(std::string_view& text, char at) {
    const auto end = text.find(at);
    const auto first = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return first;
}

Result<std::string> unescape(std::string_view text, bool is_query) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            plain += is_query && text[i] == '+' ? ' ' : text[i];
            continue;
        }
        unsigned value = 0;
        const auto digits = text.substr(i + 1, 2);
        const auto* const end = digits.data() + digits.size();
        const auto [at, error] = std::from_chars(digits.data(), end, value, 16);
        if (digits.size() != 2 || error != std::errc() || at != end || value == 0) {
            return Error{"% stands before two hexadecimal digits, and not before 00", bad_request};
        }
        plain += static_cast<char>(value);
        i += 2;
    }
    return text_result(std::move(plain));
}

Result<Parameters> query_of(std::string_view text) {
    Parameters parameters;
    while (!text.empty()) {
        auto pair = cut(text, '&');
        if (pair.empty()) continue;
        auto name = unescape(cut(pair, '='), true);
        auto value = unescape(pair, true);
        if (!name || !value) return (!name ? name : value).error();
        if (*name != "metric" && parameters.contains(*name)) {
            return Error{"\"" + *name + "\" is given twice", bad_request};
        }
        auto& known = parameters[*name];
        known += (known.empty() ? "" : ",") + *value;
    }
    return parameters;
}

Error no_path() {
    return {"no such path: /api/v1/about, /api/v1/hosts and /api/v1/events are some", not_found};
}

}  // namespace

Result<Route> route(std::string_view target) {
    std::string_view rest = target;
    auto path = cut(rest, '?');
    auto query = query_of(cut(rest, '#'));
    if (!query) return query.error();
    if (path == "/healthz" || path == "/metrics") {
        return Route{std::string(path.substr(1)), std::move(*query)};
    }
    std::vector<std::string> parts;
    if (!path.starts_with("/api/v1/")) return no_path();
    path.remove_prefix(std::string_view("/api/v1/").size());
    if (path.ends_with('/')) return no_path();
    while (!path.empty()) {
        auto part = unescape(cut(path, '/'), false);
        if (!part) return part.error();
        parts.push_back(std::move(*part));
    }
    const auto size = parts.size();
    if (size == 1 && (parts[0] == "about" || parts[0] == "hosts" || parts[0] == "events" ||
                      parts[0] == "stats" || parts[0] == "snapshot")) {
        return Route{parts[0], std::move(*query)};
    }
    if (size < 2 || size > 5 || parts[0] != "hosts" || parts[1].empty()) return no_path();
    (*query)["host"] = parts[1];
    query->erase("uuid");
    if (size == 2) return Route{"host", std::move(*query)};
    if (size == 3 && parts[2] == "history") return Route{"history", std::move(*query)};
    if (size < 4 || parts[2] != "domains" || parts[3].empty()) return no_path();
    (*query)["uuid"] = parts[3];
    if (size == 4) return Route{"domain", std::move(*query)};
    if (parts[4] == "status" || parts[4] == "history") return Route{parts[4], std::move(*query)};
    return no_path();
}

bool accepts(std::string_view header, std::string_view type) {
    if (header.empty()) return true;
    const auto slash = type.find('/');
    while (!header.empty()) {
        auto range = cut(header, ',');
        auto name = cut(range, ';');
        const auto first = name.find_first_not_of(' ');
        if (first == std::string_view::npos) continue;
        name = name.substr(first, name.find_last_not_of(' ') + 1 - first);
        const bool is_refused = range.find("q=0") != std::string_view::npos &&
                                range.find_first_of("123456789") == std::string_view::npos;
        if (is_refused) continue;
        if (name == "*/*" || name == type) return true;
        if (name.ends_with("/*") && name.substr(0, slash + 1) == type.substr(0, slash + 1)) {
            return true;
        }
    }
    return false;
}

}  // namespace virtpulse::collector
