// A picture that stays as it was, while the grid it was taken from goes on.
#pragma once

#include <deque>

#include "viewer/picture.h"

namespace virtpulse::viewer::screen {

class FrozenPicture {
  public:
    explicit FrozenPicture(const Picture& picture);
    FrozenPicture(const FrozenPicture&) = delete;
    FrozenPicture& operator=(const FrozenPicture&) = delete;

    [[nodiscard]] const Picture& picture() const { return picture_; }
    // How the connections stand is not frozen: they go on, and it is told of now.
    void follow_links(const Picture& now) {
        picture_.links = now.links;
        picture_.now = now.now;
    }

  private:
    std::deque<wire::HostState> states_;  // what the picture points to
    std::deque<VmRates> rates_;           // likewise
    Picture picture_;
};

}  // namespace virtpulse::viewer::screen
