// The files of the page, put into the program when it is built.
#pragma once

#include <span>
#include <string_view>

namespace virtpulse::viewer::web {

struct Asset {
    std::string_view path;  // "/app.js"; the page itself is "/"
    std::string_view type;  // Content-Type
    std::string_view bytes;
};

// Empty where the page could not be built.
std::span<const Asset> assets();
// Why there is no page in this build; empty where there is one.
std::string_view why_no_page();

}  // namespace virtpulse::viewer::web
