#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/encode_objects.h"
#include "wire/frame_codec.h"
#include "wire/json_writer.h"

namespace virtpulse::wire {
namespace {

// The heads of all parts but the first differ in the number of the part alone.
struct LaterHead {
    std::string before;  // that number
    std::string after;
};

LaterHead later_head(const Host& host, Detail detail, std::uint32_t count) {
    std::string text;
    write_head(host, detail, Part{1, count}, text);
    constexpr std::string_view mark = R"("part":[)";  // inside a string its quotes are escaped
    const auto number = text.find(mark) + mark.size();
    return {text.substr(0, number), text.substr(number + 1)};
}

constexpr std::string_view tail = "]}";

}  // namespace

std::string sample_as_json(const Frame& sample, FrameStyle style) {
    const Detail detail = style == FrameStyle::extended ? Detail::extended : Detail::standard;
    std::string text;
    write_head(sample.host, detail, std::nullopt, text);
    JsonWriter json(text);
    for (const auto& vm : sample.vms)
        write_vm(json, vm, detail);
    text += tail;
    return text;
}

void encode_sample(const Frame& sample, FrameStyle style, std::size_t max_datagram,
                   EncodedSample& out, std::size_t overhead) {
    const bool extended = style == FrameStyle::extended && sample.host.ext;
    const Detail detail = extended ? Detail::extended : Detail::standard;
    const std::size_t limit = (extended ? max_datagram : largest_datagram) - overhead;
    out.omitted_vms = 0;

    // Measured with `part` in its widest form, so that no part is past the limit once numbered.
    std::string head;
    const auto room_beside_head = [&](std::uint32_t index) {
        head.clear();
        write_head(sample.host, detail,
                   extended ? std::optional(Part{index, most_parts}) : std::nullopt, head);
        const std::size_t taken = head.size() + tail.size() + 4;  // "[0," grows to "[65535,"
        return limit > taken ? limit - taken : 0;
    };
    std::size_t room = room_beside_head(0);
    const std::size_t room_later = extended ? room_beside_head(1) : room;

    // The VMs as texts, then as many in each part as there is room for.
    auto& vms = out.vms;
    auto& parts = out.parts;
    vms.clear();
    parts.clear();
    std::size_t part_begin = 0;
    for (const auto& vm : sample.vms) {
        const std::size_t end = vms.size();
        if (end > part_begin) vms += ',';
        const std::size_t begin = vms.size();
        const auto write = [&](Detail how_much) {
            vms.resize(begin);
            JsonWriter json(vms);
            write_vm(json, vm, how_much);
            return vms.size() - begin;
        };
        Detail told = detail;
        std::size_t size = write(told);
        while (size > room_later && told != Detail::standard) {
            told = one_less(told);
            size = write(told);
        }
        const bool fits_here = end - part_begin + 1 + size <= room;
        const bool may_open_part = extended && size <= room_later;
        if (!fits_here && !may_open_part) {
            ++out.omitted_vms;
            vms.resize(end);
            continue;
        }
        if (!fits_here) {
            parts.push_back({part_begin, end});
            part_begin = begin;
            room = room_later;
        }
    }
    parts.push_back({part_begin, vms.size()});

    const auto count = static_cast<std::uint32_t>(parts.size());
    const bool in_parts = extended && count > 1;
    head.clear();
    write_head(sample.host, detail, in_parts ? std::optional(Part{0, count}) : std::nullopt, head);
    const auto later = in_parts ? later_head(sample.host, detail, count) : LaterHead{};
    out.json.resize(count);
    for (std::uint32_t i = 0; i < count; ++i) {
        std::string& text = out.json[i];
        if (i == 0) {
            text = head;
        } else {
            text = later.before;
            JsonWriter(text).number(std::uint64_t{i});
            text += later.after;
        }
        text.append(vms, parts[i].begin, parts[i].end - parts[i].begin);
        text += tail;
    }
}

}  // namespace virtpulse::wire
