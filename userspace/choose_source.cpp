#include "userspace/choose_source.h"

#include <utility>

#include "userspace/probe/ebpf_source.h"
#include "userspace/proc/proc_source.h"

namespace virtpulse::agent {

Result<ChosenSource> choose_source(const Options& options) {
    ChosenSource chosen;
    if (options.source != Source::proc) {
        auto ebpf = make_ebpf_source(options.root, {Pinning::shared, options.bpf_stats,
                                                    options.most_culprits, options.without});
        if (ebpf) {
            chosen.source = std::move(*ebpf);
            return chosen;
        }
        if (options.source == Source::ebpf) return ebpf.error().within("no eBPF here");
        chosen.why_not_ebpf = ebpf.error().message;
    }
    auto proc = ProcSource::make(options.root);
    if (!proc) return proc.error();
    chosen.source = std::move(*proc);
    return chosen;
}

}  // namespace virtpulse::agent
