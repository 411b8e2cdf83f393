// One number of a record that the kernel may write while we look.
#pragma once

#include <atomic>
#include <cstdint>

#include "bpf/records.h"

namespace virtpulse::agent {

// It is whole; what else the record says may be older or newer, but is not older than this where it
// is read later and the kernel side, as on x86, wrote it before.
template <class Number>
Number load(const Number& member) {
    return std::atomic_ref(const_cast<Number&>(member)).load(std::memory_order_acquire);
}

// Whether a record with this thread number is in use: neither free nor being filled.
inline bool is_used(std::uint32_t tid) {
    return tid != 0 && tid != VP_TID_CLAIMED;
}

}  // namespace virtpulse::agent
