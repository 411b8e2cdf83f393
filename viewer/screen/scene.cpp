#include "viewer/screen/scene.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/terminal_text.h"
#include "viewer/screen/header.h"
#include "viewer/screen/host_table.h"
#include "viewer/screen/order.h"
#include "viewer/screen/vm_table.h"
#include "viewer/terminal/list.h"
#include "viewer/terminal/notes.h"
#include "viewer/terminal/units.h"

namespace virtpulse::viewer::screen {
namespace {

// The part of the screen between header and footer.
struct Body {
    std::size_t top;
    std::size_t rows;
    std::size_t columns;
};

// The top of a list that keeps `at` in sight, moving no more than it must.
std::size_t first_shown(std::size_t wanted, std::size_t at, std::size_t rows, std::size_t total) {
    if (total <= rows || rows == 0) return 0;
    wanted = std::min(wanted, total - rows);
    if (at < wanted) return at;
    return at >= wanted + rows ? at - rows + 1 : wanted;
}

class Composer {
  public:
    Composer(const Picture& picture, const State& state, const ScreenSize& size)
        : picture_(picture), state_(state), size_(size) {}

    Scene compose() {
        if (size_.columns < least_columns || size_.rows < least_rows) return too_small();
        scene_.lines = header(picture_, state_, size_.columns, size_.rows / 8);
        const Body body{scene_.lines.size(), size_.rows - scene_.lines.size() - 1, size_.columns};
        hosts_ = listed_hosts(picture_.hosts, state_);
        for (const auto* host : hosts_)
            scene_.layout.host_names.push_back(host->state->host().name);
        if (state_.help) {
            append(help(), body);
        } else if (hosts_.empty()) {
            append(emptiness(body), body);
        } else {
            choose();
            stands_beside(body) ? beside(body) : below(body);
        }
        scene_.lines.resize(size_.rows - 1);
        scene_.lines.push_back(footer(scene_.layout, state_, size_.columns));
        for (auto& line : scene_.lines)
            line.cut(size_.columns);
        return std::move(scene_);
    }

  private:
    Scene too_small() {
        const auto text = "this window is " + std::to_string(size_.columns) + " by " +
                          std::to_string(size_.rows) + "; " + std::to_string(least_columns) +
                          " by " + std::to_string(least_rows) + " are needed";
        for (const auto& line : wrapped(text, std::max<std::size_t>(size_.columns, 1))) {
            if (scene_.lines.size() < size_.rows) scene_.lines.emplace_back(line);
        }
        return std::move(scene_);
    }

    void append(const std::vector<Line>& lines, const Body& body) {
        for (std::size_t at = 0; at < lines.size() && at < body.rows; ++at)
            scene_.lines.push_back(lines[at]);
    }

    std::vector<Line> emptiness(const Body& body) {
        std::string text = emptiness_text(picture_);
        if (picture_.totals.hosts > 0) {
            const bool filtered = !state_.filter.empty();
            text = filtered ? "no name has \"" + sanitised(state_.filter) + "\" in it"
                            : "no host in bad health";
            if (filtered && state_.unhealthy_only) text += ", of hosts in bad health";
            text += filtered ? "; Esc shows the others" : "; u shows the others";
        }
        const auto words = wrapped(text, std::min<std::size_t>(body.columns - 4, 76));
        std::vector<Line> lines((body.rows - std::min(body.rows, words.size())) / 3);
        for (const auto& line : words) {
            lines.emplace_back();
            lines.back().fill((body.columns - columns_of(words.front())) / 2);
            lines.back().add(line);
        }
        return lines;
    }

    void choose() {
        auto& at = scene_.layout.selected_at;
        const auto& names = scene_.layout.host_names;
        const auto found = std::ranges::find(names, state_.selected);
        at = found == names.end() ? 0 : static_cast<std::size_t>(found - names.begin());
        vms_ = listed_vms(*hosts_[at], state_);
    }

    // Beside the hosts where these need the height. The number of VMs has no say: the screen would
    // be turned over as the selection moves.
    [[nodiscard]] bool stands_beside(const Body& body) const {
        return size_.columns >= beside_columns && !state_.zoomed &&
               hosts_.size() + 1 > body.rows / 2;
    }

    void beside(const Body& body) {
        const std::size_t right = std::clamp<std::size_t>(body.columns * 3 / 8, 76, 110);
        const std::size_t left = body.columns - right - 1;
        const auto hosts = host_pane({body.top, body.rows, left}, 0);
        const auto vms = vm_pane({body.top, body.rows, right}, left + 1);
        for (std::size_t at = 0; at < body.rows; ++at) {
            Line line = at < hosts.size() ? hosts[at] : Line();
            line.cut(left);
            line.fill(left);
            line.add("│", faint);
            if (at < vms.size()) line.add(vms[at]);
            scene_.lines.push_back(std::move(line));
        }
    }

    void below(const Body& body) {
        std::size_t used = 0;
        if (!state_.zoomed) {
            // Half for each, but hosts take no more than they need.
            const std::size_t most = std::max<std::size_t>((body.rows - 2) / 2, 2);
            used = std::min(hosts_.size() + 1, most);
            append(host_pane({body.top, used, body.columns}, 0), {0, used, 0});
        }
        const std::size_t rest = body.rows - used;
        append(vm_pane({body.top + used, rest, body.columns}, 0), {0, rest, 0});
    }

    std::vector<Line> host_pane(const Body& body, std::size_t left) {
        auto& layout = scene_.layout;
        const auto columns = host_columns(body.columns, hosts_);
        auto& pane = layout.hosts;
        pane = {body.top + 1, left, body.columns, body.rows - 1, 0, hosts_.size()};
        pane.first = first_shown(state_.first_host, layout.selected_at, pane.rows, pane.total);
        std::vector<Line> lines{host_heading(columns, state_, body.top, left, layout.headings)};
        for (std::size_t at = pane.first; at < pane.total && at < pane.first + pane.rows; ++at) {
            const auto focused =
                state_.focus == Focus::hosts ? Selection::focused : Selection::selected;
            lines.push_back(host_line(*hosts_[at], columns,
                                      at == layout.selected_at ? focused : Selection::none));
        }
        return lines;
    }

    std::vector<Line> vm_pane(const Body& body, std::size_t left) {
        auto& layout = scene_.layout;
        const auto& host = *hosts_[layout.selected_at];
        const auto columns = vm_columns(body.columns, vms_);
        std::vector<Line> lines{vm_title(host, body.columns)};
        lines.push_back(vm_heading(columns, state_, body.top + 1, left, layout.headings));
        auto& pane = layout.vms;
        pane = {
            body.top + 2, left, body.columns, body.rows - std::min<std::size_t>(body.rows, 2), 0,
            vms_.size()};
        const std::size_t last = pane.total > pane.rows ? pane.total - pane.rows : 0;
        pane.first = std::min(state_.first_vm, last);
        if (vms_.empty()) lines.emplace_back("   no virtual machine here", faint);
        for (std::size_t at = pane.first; at < pane.total && at < pane.first + pane.rows; ++at)
            lines.push_back(vm_line(*vms_[at], columns, host.live));
        return lines;
    }

    Line vm_title(const HostView& host, std::size_t width) {
        const bool focused = state_.focus == Focus::vms;
        Line line("── VMs of ", faint);
        line.add(sanitised(host.state->host().name), {Hue::plain, 0, true, focused});
        line.cut(width / 2);
        auto note = host_note(host);
        if (!host.live) note.insert(0, "silent for " + duration_text(host.age_s) + ", ");
        if (!note.empty()) line.add(": " + note, host.live ? ink_of(host.health.level) : faint);
        line.cut(width - 4);
        line.add(" ");
        std::string rule;
        for (std::size_t at = line.columns(); at < width; ++at)
            rule += "─";
        line.add(std::move(rule), faint);
        return line;
    }

    const Picture& picture_;
    const State& state_;
    const ScreenSize& size_;
    Scene scene_;
    std::vector<const HostView*> hosts_;
    std::vector<const VmView*> vms_;
};

}  // namespace

Scene compose(const Picture& picture, const State& state, const ScreenSize& size) {
    return Composer(picture, state, size).compose();
}

}  // namespace virtpulse::viewer::screen
