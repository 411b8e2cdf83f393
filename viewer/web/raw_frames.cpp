#include "viewer/web/raw_frames.h"

namespace virtpulse::viewer::web {

void RawFrames::take(const FrameHead& head, std::string_view json) {
    const auto at = open_.find(head.host);
    if (at == open_.end()) return;
    auto& open = at->second;
    const bool is_part = head.sample && open.head.sample == head.sample;
    if (!is_part) {
        open.frames.clear();
        open.bytes = 0;
    }
    open.head = head;
    if (open.bytes + json.size() > most_raw_bytes) return;  // the page shows less of such a host
    open.bytes += json.size();
    open.frames.emplace_back(json);
}

void RawFrames::open(const std::string& host) {
    ++open_[host].browsers;
}

void RawFrames::close(const std::string& host) {
    const auto at = open_.find(host);
    if (at != open_.end() && --at->second.browsers == 0) open_.erase(at);
}

std::vector<std::string> RawFrames::hosts() const {
    std::vector<std::string> names;
    for (const auto& [name, open] : open_)
        names.push_back(name);
    return names;
}

const std::vector<std::string>& RawFrames::of(std::string_view host) const {
    static const std::vector<std::string> none;
    const auto at = open_.find(host);
    return at == open_.end() ? none : at->second.frames;
}

}  // namespace virtpulse::viewer::web
