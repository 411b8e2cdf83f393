#include "viewer/web/respond.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "viewer/web/policy.h"

namespace virtpulse::viewer::web {
namespace {

namespace http = boost::beast::http;

std::string_view view_of(const auto& text) {
    return {text.data(), text.size()};
}

Response prepared(const Request& request, http::status status, std::string_view type) {
    Response response(status, request.version());
    response.keep_alive(request.keep_alive());
    const auto set = [&](http::field name, std::string_view value) {
        response.set(name, boost::beast::string_view(value.data(), value.size()));
    };
    set(http::field::content_type, type);
    // A newer build's page is to be seen at once.
    set(http::field::cache_control, "no-cache");
    response.set("X-Content-Type-Options", "nosniff");
    response.set("Referrer-Policy", "no-referrer");
    response.set("Cross-Origin-Opener-Policy", "same-origin");
    response.set("Cross-Origin-Resource-Policy", "same-origin");
    // Nothing but what this program serves, and no script or style inside the page's text.
    response.set("Content-Security-Policy",
                 "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                 "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    return response;
}

Response refusal(const Request& request, http::status status, std::string_view reason) {
    auto response = prepared(request, status, "text/plain; charset=utf-8");
    response.body() = reason;
    response.body() += '\n';
    response.prepare_payload();
    return response;
}

std::optional<Response> refusal_of_host(const Request& request, std::uint16_t port) {
    if (is_own_host(view_of(request[http::field::host]), port)) return std::nullopt;
    return refusal(request, http::status::misdirected_request,
                   "the page is served to this machine, under its loopback address, only");
}

}  // namespace

Response respond(const Request& request, std::span<const Asset> files, std::uint16_t port) {
    if (auto refused = refusal_of_host(request, port)) return std::move(*refused);
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        auto response = refusal(request, http::status::method_not_allowed, "only GET and HEAD");
        response.set(http::field::allow, "GET, HEAD");
        return response;
    }
    auto path = view_of(request.target());
    path = path.substr(0, path.find('?'));
    const auto file = std::ranges::find(files, path, &Asset::path);
    if (file == files.end()) {
        return refusal(request, http::status::not_found, "there is no such file");
    }
    auto response = prepared(request, http::status::ok, file->type);
    if (request.method() == http::verb::get) response.body() = file->bytes;
    response.content_length(file->bytes.size());
    return response;
}

std::optional<Response> refusal_of_live(const Request& request, std::uint16_t port) {
    if (auto refused = refusal_of_host(request, port)) return refused;
    if (view_of(request.target()) != live_path) {
        return refusal(request, http::status::not_found, "no WebSocket is there");
    }
    const auto origin = view_of(request[http::field::origin]);
    if (is_own_origin(origin, view_of(request[http::field::host]))) return std::nullopt;
    return refusal(request, http::status::forbidden, "not for pages of another origin");
}

Response too_many_browsers(const Request& request) {
    return refusal(request, http::status::service_unavailable,
                   "as many pages are open as this viewer serves");
}

}  // namespace virtpulse::viewer::web
