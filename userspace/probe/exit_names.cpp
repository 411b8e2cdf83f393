#include "userspace/probe/exit_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <string_view>

#if defined(__x86_64__)
#include <asm/kvm.h>  // the numbers of exceptions, which the next uses
#include <asm/svm.h>
#include <asm/vmx.h>
#endif

#include "bpf/records.h"

namespace virtpulse::agent {
namespace {

struct Name {
    std::int64_t reason;  // one is -1
    std::string_view name;
};

// The kernel's own names, which its tracepoint prints too.
#if defined(__x86_64__)
constexpr Name vmx_names[] = {VMX_EXIT_REASONS};
constexpr Name svm_names[] = {SVM_EXIT_REASONS};
#endif

std::span<const Name> names_of(std::uint16_t isa) {
#if defined(__x86_64__)
    if (isa == VP_ISA_VMX) return vmx_names;
    if (isa == VP_ISA_SVM) return svm_names;
#endif
    static_cast<void>(isa);
    return {};
}

}  // namespace

std::string exit_name(std::uint16_t isa, std::uint16_t reason) {
    if (reason == VP_EXIT_UNKNOWN) return "unknown";
    if (reason == VP_EXIT_OTHER) return "other";
    const auto names = names_of(isa);
    const auto found = std::ranges::find(names, std::int64_t{reason}, &Name::reason);
    if (found == names.end()) {
        return fmt::format("{}-{:#x}", isa == VP_ISA_SVM ? "svm" : "vmx", reason);
    }
    std::string text(found->name);
    std::ranges::transform(text, text.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

}  // namespace virtpulse::agent
