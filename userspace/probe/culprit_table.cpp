#include "userspace/probe/culprit_table.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

namespace virtpulse::agent {
namespace {

using namespace std::chrono_literals;

// By words, not by memcmp: this is where most of the time went. Any order will do.
using KeyWords = std::array<std::uint64_t, sizeof(vp_culprit_key) / sizeof(std::uint64_t)>;

bool is_before(const vp_culprit_key& a, const vp_culprit_key& b) {
    return std::bit_cast<KeyWords>(a) < std::bit_cast<KeyWords>(b);
}

bool is_same(const vp_culprit_key& a, const vp_culprit_key& b) {
    return std::bit_cast<KeyWords>(a) == std::bit_cast<KeyWords>(b);
}

}  // namespace

// How long a row may be without growing, by how many are in the map.
std::chrono::seconds CulpritTable::quiet_age(std::size_t in_map) const {
    if (in_map > room_ / 4 * 3) return 10s;
    if (in_map > room_ / 2) return 60s;
    return 600s;
}

void CulpritTable::note(const CulpritRow& row, Time now, const vp_share& pending) {
    auto& rows = by_victim_[row.key.victim];
    auto found = std::ranges::lower_bound(rows, row.key, is_before, &ChargedRow::key);
    if (found == rows.end() || !is_same(found->key, row.key)) {
        found = rows.insert(found, ChargedRow{row.key, {}, 0, {}, false, {}});
    } else if (!found->in_map) {
        --remembered_;
    }
    if (!found->in_map) {
        found->in_map = true;
        ++in_map_;
    }
    const auto before = found->culprit;
    found->culprit = row.culprit;
    // What was pending before may be on its way into the row.
    found->culprit.ns = std::max(before.ns, row.culprit.ns + found->taken_out.ns + pending.ns);
    found->culprit.waits =
        std::max(before.waits, row.culprit.waits + found->taken_out.waits + pending.waits);
    found->grown_ns = found->culprit.ns - before.ns;
    if (found->grown_ns != 0 || found->grown_at == Time{}) found->grown_at = now;
}

void CulpritTable::remove(const vp_culprit_key& key) {
    const auto rows = by_victim_.find(key.victim);
    if (rows == by_victim_.end()) return;
    const auto found = std::ranges::lower_bound(rows->second, key, is_before, &ChargedRow::key);
    if (found == rows->second.end() || !is_same(found->key, key)) return;
    --(found->in_map ? in_map_ : remembered_);
    rows->second.erase(found);
}

std::vector<vp_culprit_key> CulpritTable::to_take_out(std::span<const CulpritRow> read,
                                                      bool is_full, Time now) const {
    const std::size_t in_map = is_full ? room_ : in_map_;
    std::vector<const ChargedRow*> quiet;
    std::vector<const ChargedRow*> others;
    for (const auto& row : read) {
        const auto* const known = find(row.key);
        if (known == nullptr || !known->in_map) continue;
        (now - known->grown_at >= quiet_age(in_map) ? quiet : others).push_back(known);
    }
    const auto least = [](const ChargedRow* a, const ChargedRow* b) {
        return std::tie(a->grown_ns, a->culprit.ns) < std::tie(b->grown_ns, b->culprit.ns);
    };
    const bool is_nearly_full = in_map > room_ / 8 * 7;
    if (const auto light = read.size() / 4; is_nearly_full && quiet.size() < light) {
        const auto more = std::min(light - quiet.size(), others.size());
        const auto end = others.begin() + static_cast<std::ptrdiff_t>(more);
        std::partial_sort(others.begin(), end, others.end(), least);
        quiet.insert(quiet.end(), others.begin(), end);
    }
    if (quiet.size() > most_taken_out) quiet.resize(most_taken_out);
    std::vector<vp_culprit_key> keys;
    keys.reserve(quiet.size());
    for (const auto* row : quiet)
        keys.push_back(row->key);
    return keys;
}

void CulpritTable::took_out(const CulpritRow& row) {
    if (find(row.key) == nullptr) return;
    auto& rows = by_victim_[row.key.victim];
    const auto found = std::ranges::lower_bound(rows, row.key, is_before, &ChargedRow::key);
    if (found->in_map) {
        found->in_map = false;
        --in_map_;
        ++remembered_;
    }
    found->taken_out.ns += row.culprit.ns;
    found->taken_out.waits += row.culprit.waits;
    found->culprit.ns = std::max(found->culprit.ns, found->taken_out.ns);
    found->culprit.waits = std::max(found->culprit.waits, found->taken_out.waits);
    found->grown_ns = 0;
    if (remembered_ <= most_remembered()) return;
    rows.erase(found);
    --remembered_;
}

const ChargedRow* CulpritTable::find(const vp_culprit_key& key) const {
    const auto rows = by_victim_.find(key.victim);
    if (rows == by_victim_.end()) return nullptr;
    const auto found = std::ranges::lower_bound(rows->second, key, is_before, &ChargedRow::key);
    return found != rows->second.end() && is_same(found->key, key) ? &*found : nullptr;
}

void CulpritTable::count() {
    in_map_ = 0;
    remembered_ = 0;
    for (const auto& [victim, rows] : by_victim_) {
        for (const auto& row : rows)
            ++(row.in_map ? in_map_ : remembered_);
    }
}

std::span<const ChargedRow> CulpritTable::of(std::uint32_t victim) const {
    const auto rows = by_victim_.find(victim);
    if (rows == by_victim_.end()) return {};
    return rows->second;
}

}  // namespace virtpulse::agent
