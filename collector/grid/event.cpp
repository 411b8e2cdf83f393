#include "collector/grid/event.h"

namespace virtpulse::collector {

std::string_view event_name(EventKind kind) {
    switch (kind) {
        case EventKind::host_came:
            return "host_came";
        case EventKind::host_went:
            return "host_went";
        case EventKind::host_restarted:
            return "host_restarted";
        case EventKind::frames_lost:
            return "frames_lost";
        case EventKind::vm_came:
            return "vm_came";
        case EventKind::vm_went:
            return "vm_went";
        case EventKind::vm_restarted:
            return "vm_restarted";
        case EventKind::source_missing:
            return "source_missing";
        case EventKind::source_back:
            return "source_back";
        case EventKind::vm_state_changed:
            break;
    }
    return "vm_state_changed";
}

}  // namespace virtpulse::collector
