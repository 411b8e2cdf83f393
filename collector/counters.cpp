#include "collector/counters.h"

namespace virtpulse::collector {

std::string_view refusal_name(Refusal refusal) {
    switch (refusal) {
        case Refusal::queue_full:
            return "queue_full";
        case Refusal::duplicate:
            return "duplicate";
        case Refusal::behind_window:
            return "behind_window";
        case Refusal::too_many_hosts:
            return "too_many_hosts";
        case Refusal::too_many_vms:
            return "too_many_vms";
        case Refusal::sample_too_large:
            return "sample_too_large";
        case Refusal::plain:
            return "plain";
        case Refusal::wrong_host:
            return "wrong_host";
        case Refusal::skew:
            return "skew";
        case Refusal::old_start:
            return "old_start";
        case Refusal::replayed:
            return "replayed";
        case Refusal::count_:
            break;
    }
    return "unknown";
}

}  // namespace virtpulse::collector
