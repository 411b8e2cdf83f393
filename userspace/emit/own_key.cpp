#include "userspace/emit/own_key.h"

#include "base/secret_file.h"

namespace virtpulse::agent {

Result<std::shared_ptr<const wire::Key>> read_own_key(const std::string& path,
                                                      const std::string& host) {
    const auto text = read_secret_file(path);
    if (!text) return text.error().within("--key-file");
    auto parsed = wire::KeyRing::parse(text->text());
    if (!parsed) return parsed.error().within("--key-file " + path);
    const auto ring = std::make_shared<const wire::KeyRing>(std::move(*parsed));
    const auto* const key = ring->newest_for(host);
    if (key == nullptr) {
        return Error{"--key-file " + path + ": no host pattern fits '" + host +
                     "': add a key for it, or give the name with --name"};
    }
    return std::shared_ptr<const wire::Key>(ring, key);
}

}  // namespace virtpulse::agent
