#include "userspace/inventory/derived_uuid.h"

#include <utility>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace virtpulse::agent {

std::string derive_uuid(std::string_view machine_id, std::string_view guest_name,
                        const ProcessKey& process) {
    // Drawn once at random, and never to change.
    constexpr boost::uuids::uuid ours{{0xc7, 0xd4, 0x1b, 0x1b, 0xae, 0x1c, 0x4f, 0x3d, 0x97, 0x5b,
                                       0x02, 0xa8, 0x8d, 0x20, 0x65, 0xaa}};
    // NUL parts the fields: it is in no name, so that no two VMs make the same text.
    std::string text(machine_id);
    text += '\0';
    text += guest_name;
    if (guest_name.empty()) {
        text += '\0';
        text += std::to_string(process.pid) + ' ' + std::to_string(process.start_ticks);
    }
    return to_string(boost::uuids::name_generator_sha1(ours)(text));
}

}  // namespace virtpulse::agent
