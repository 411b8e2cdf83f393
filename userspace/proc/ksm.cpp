#include "userspace/proc/ksm.h"

#include <unistd.h>

#include <cstdint>

#include "base/text.h"

namespace virtpulse::agent {
namespace {

std::optional<std::uint64_t> number_in(ReusedFile& file) {
    const auto text = file.read_one_short();
    return text ? parse_number<std::uint64_t>(trim(*text)) : std::nullopt;
}

}  // namespace

Ksm::Ksm(const Root& root)
    : run_(root.sysfs + "/kernel/mm/ksm/run"),
      pages_shared_(root.sysfs + "/kernel/mm/ksm/pages_shared"),
      pages_sharing_(root.sysfs + "/kernel/mm/ksm/pages_sharing") {}

std::optional<wire::KsmExt> Ksm::read() {
    const auto run = number_in(run_);
    const auto shared = number_in(pages_shared_);
    const auto sharing = number_in(pages_sharing_);
    if (!run || !shared || !sharing) return std::nullopt;
    const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    return wire::KsmExt{*run, *shared * page_bytes, *sharing * page_bytes};
}

}  // namespace virtpulse::agent
