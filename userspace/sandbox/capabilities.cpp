#include "userspace/sandbox/capabilities.h"

#include <linux/bpf.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>
#include <vector>

namespace virtpulse::agent {
namespace {

struct FreeCapabilities {
    void operator()(cap_t state) const noexcept { cap_free(state); }
};
using Capabilities = std::unique_ptr<_cap_struct, FreeCapabilities>;

// Before 5.19, where kernel.unprivileged_bpf_disabled is set, as most distributions have it, the
// kernel refuses bpf(2) to who lacks CAP_BPF, also for maps that are open. That is tried: without
// any capability in effect, with a map that is none.
bool maps_need_capability() {
    const Capabilities now(cap_get_proc());
    const Capabilities without(cap_dup(now.get()));
    if (!now || !without || cap_clear_flag(without.get(), CAP_EFFECTIVE) != 0 ||
        cap_set_proc(without.get()) != 0) {
        return false;
    }
    bpf_attr lookup{};
    lookup.map_fd = static_cast<__u32>(-1);
    errno = 0;
    syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &lookup, sizeof lookup);
    const bool refused = errno == EPERM;
    return cap_set_proc(now.get()) == 0 && refused;
}

std::vector<cap_value_t> kept_for(Reads reads) {
    std::vector<cap_value_t> kept{CAP_SYS_PTRACE};
    if (reads == Reads::executables_and_io) kept.push_back(CAP_DAC_READ_SEARCH);
    if (reads == Reads::executables && maps_need_capability()) kept.push_back(CAP_BPF);
    return kept;
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
