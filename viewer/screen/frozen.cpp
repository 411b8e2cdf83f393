#include "viewer/screen/frozen.h"

namespace virtpulse::viewer::screen {

FrozenPicture::FrozenPicture(const Picture& picture) : picture_(picture) {
    for (auto& host : picture_.hosts) {
        const auto& before = host.state->vms();
        host.state = &states_.emplace_back(*host.state);
        for (auto& vm : host.vms) {
            vm.state = &host.state->vms()[static_cast<std::size_t>(vm.state - before.data())];
            vm.rates = &rates_.emplace_back(*vm.rates);
        }
    }
}

}  // namespace virtpulse::viewer::screen
