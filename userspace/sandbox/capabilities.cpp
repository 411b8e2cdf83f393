#include "userspace/sandbox/capabilities.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>

namespace virtpulse::agent {
namespace {

struct FreeCapabilities {
    void operator()(cap_t state) const noexcept { cap_free(state); }
};
using Capabilities = std::unique_ptr<_cap_struct, FreeCapabilities>;

constexpr std::array<cap_value_t, 2> kept_of_all{CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};

std::span<const cap_value_t> kept_for(Reads reads) {
    return std::span(kept_of_all).first(reads == Reads::executables ? 1 : 2);
}

// What a program that is run could get back. Without CAP_SETPCAP it cannot be changed, and without
// privileges nothing comes back from it either.
void empty_bounding_set(std::span<const cap_value_t> kept) {
    for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; ++capability) {
        if (std::ranges::find(kept, capability) == kept.end()) cap_drop_bound(capability);
    }
}

}  // namespace

Result<void> drop_capabilities(Reads reads) {
    const auto kept = kept_for(reads);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
        return system_error("cannot drop ambient capabilities");
    }
    empty_bounding_set(kept);
    const Capabilities now(cap_get_proc());
    const Capabilities wanted(cap_init());
    if (!now || !wanted) return system_error("cannot tell our own capabilities");
    for (const auto capability : kept) {
        cap_flag_value_t permitted = CAP_CLEAR;
        if (cap_get_flag(now.get(), capability, CAP_PERMITTED, &permitted) != 0 ||
            permitted != CAP_SET) {
            continue;
        }
        for (const auto set : {CAP_PERMITTED, CAP_EFFECTIVE}) {
            if (cap_set_flag(wanted.get(), set, 1, &capability, CAP_SET) != 0) {
                return system_error("cannot choose capabilities");
            }
        }
    }
    if (cap_set_proc(wanted.get()) != 0) return system_error("cannot drop capabilities");
    return {};
}

}  // namespace virtpulse::agent
