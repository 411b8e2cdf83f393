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
                 "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    return response;
}

Response refusal(const Request& request, http::status status, std::string_view reason) {
    auto response = prepared(request, status, "text/plain; charset=utf-8");
    response.body() = reason;
    response.body() += '\n';
    response.prepare_payload();
    return response;
}

std::optional<Response> refusal_of_host(const Request& request, const Policy& policy) {
    const auto host = view_of(request[http::field::host]);
    // A name that was made to point here does not have our certificate, nor our cookie.
    if (policy.access != nullptr ? !host.empty() : is_own_host(host, policy.port)) {
        return std::nullopt;
    }
    return refusal(request, http::status::misdirected_request,
                   "the page is served to this machine, under its loopback address, only");
}

bool is_known(const Request& request, const Policy& policy) {
    return policy.access == nullptr || policy.access->admits(view_of(request[http::field::cookie]));
}

// What the way in is made of, and nothing that tells of the grid.
bool is_for_everybody(std::string_view path) {
    return path == login_path || path == "/login.js" || path == "/style.css" || path == "/icon.svg";
}

Response sent_to(const Request& request, std::string_view where) {
    auto response = refusal(request, http::status::see_other, "see there");
    response.set(http::field::location, where);
    return response;
}

}  // namespace

Response respond(const Request& request, std::span<const Asset> files, const Policy& policy) {
    if (auto refused = refusal_of_host(request, policy)) return std::move(*refused);
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        auto response = refusal(request, http::status::method_not_allowed, "only GET and HEAD");
        response.set(http::field::allow, "GET, HEAD");
        return response;
    }
    auto path = view_of(request.target());
    path = path.substr(0, path.find('?'));
    if (!is_known(request, policy) && !is_for_everybody(path)) {
        if (path == "/") return sent_to(request, login_path);
        return refusal(request, http::status::unauthorized,
                       "the token first: it is asked for at /");
    }
    const auto file = std::ranges::find(files, path, &Asset::path);
    if (file == files.end()) {
        return refusal(request, http::status::not_found, "there is no such file");
    }
    auto response = prepared(request, http::status::ok, file->type);
    if (request.method() == http::verb::get) response.body() = file->bytes;
    response.content_length(file->bytes.size());
    return response;
}

std::optional<Response> refusal_of_live(const Request& request, const Policy& policy) {
    if (auto refused = refusal_of_host(request, policy)) return refused;
    if (view_of(request.target()) != live_path) {
        return refusal(request, http::status::not_found, "no WebSocket is there");
    }
    const auto origin = view_of(request[http::field::origin]);
    const std::string_view scheme = policy.access != nullptr ? "https://" : "http://";
    if (!is_own_origin(origin, scheme, view_of(request[http::field::host]))) {
        return refusal(request, http::status::forbidden, "not for pages of another origin");
    }
    if (is_known(request, policy)) return std::nullopt;
    return refusal(request, http::status::unauthorized, "the token first: it is asked for at /");
}

Response login_response(const Request& request, const Access& access, bool is_right) {
    if (!is_right) {
        return refusal(request, http::status::unauthorized,
                       "that is not the token; go back and try again");
    }
    auto response = sent_to(request, "/");
    response.set(http::field::set_cookie, access.cookie());
    return response;
}

Response too_many_browsers(const Request& request) {
    return refusal(request, http::status::service_unavailable,
                   "as many pages are open as this viewer serves");
}

}  // namespace virtpulse::viewer::web
