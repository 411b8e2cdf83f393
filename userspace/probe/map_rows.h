// A hash map of the kernel's, read in batches.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace virtpulse::agent {

// What batches are read into, reused from read to read.
template <class Key, class Value>
struct Batch {
    std::vector<Key> keys;
    std::vector<Value> values;
};

// How far a map has been read. Opaque to us; the kernel uses the size of a key at most.
struct Position {
    std::uint64_t opaque[4] = {};
    bool is_start = true;
};

// Reads a hash map in batches, from `from` on until its end or until `most` rows are passed; then
// `from` says where to go on. Entries that come or go meanwhile may be in it or not.
template <class Key, class Value, class Row>
Result<void> read_rows(const bpf_map* map, Batch<Key, Value>& batch, std::vector<Row>& rows,
                       Position& from, std::size_t most) {
    constexpr std::uint32_t step = 512;
    std::size_t count = 0;
    while (count < most) {
        batch.keys.resize(std::max(batch.keys.size(), count + step));
        batch.values.resize(std::max(batch.values.size(), count + step));
        std::uint32_t got = step;
        const int result = bpf_map_lookup_batch(
            bpf_map__fd(map), from.is_start ? nullptr : from.opaque, from.opaque,
            &batch.keys[count], &batch.values[count], &got, nullptr);
        const int error = errno;
        if (result != 0 && error != ENOENT) {
            return system_error("cannot read the map " + std::string(bpf_map__name(map)), error);
        }
        count += got;
        from.is_start = result != 0;  // ENOENT: that was the end
        if (from.is_start) break;
    }
    rows.clear();
    for (std::size_t i = 0; i < count; ++i)
        rows.push_back({batch.keys[i], batch.values[i]});
    return {};
}

template <class Key, class Value, class Row>
Result<void> read_rows(const bpf_map* map, Batch<Key, Value>& batch, std::vector<Row>& rows) {
    Position from;
    return read_rows(map, batch, rows, from, SIZE_MAX);
}

}  // namespace virtpulse::agent
