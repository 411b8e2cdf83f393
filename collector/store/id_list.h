// Lists of ids as text: [7,12,3].
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace virtpulse::collector {

// Of what has an `id`; at least one.
template <class Rows>
std::string id_list(const Rows& rows) {
    std::string list;
    for (const auto& row : rows)
        list.append(list.empty() ? "[" : ",").append(std::to_string(row.id));
    return list + "]";
}

// None where it is no such list.
inline std::vector<std::int64_t> ids_in(std::string_view list) {
    std::vector<std::int64_t> ids;
    const auto* const end = list.data() + list.size();
    for (const auto* at = list.data(); at < end;) {
        const auto parsed = std::from_chars(at + 1, end, ids.emplace_back());
        if (parsed.ec != std::errc()) return {};
        at = parsed.ptr;
        if (at == end || *at == ']') break;
    }
    return ids;
}

}  // namespace virtpulse::collector
