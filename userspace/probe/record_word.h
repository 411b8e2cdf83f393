// One number of a record that the kernel may write while we look.
#pragma once

#include <atomic>

namespace virtpulse::agent {

// It is whole; what else the record says may be older or newer.
template <class Number>
Number load(const Number& member) {
    return std::atomic_ref(const_cast<Number&>(member)).load(std::memory_order_relaxed);
}

}  // namespace virtpulse::agent
