// Reads single members of a JSON object, and keeps the first fault that it finds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>

#include "wire/frame_codec.h"
#include "wire/members.h"

namespace virtpulse::wire {

namespace dom = simdjson::dom;

constexpr std::size_t longest_text = 1024;
// Percent of a VM's vCPUs also counts the emulator's threads, so it can pass 100 by far.
constexpr double highest_percent = 1e6;

// Where a value is to be read to: what is there already keeps the memory that it has.
template <class T>
T& kept(std::optional<T>& out) {
    return out ? *out : out.emplace();
}

// What is read to may have been read to before: a list is emptied first, and an absent part has no
// value then. After a fault, reading goes on harmlessly.
class MemberReader {
  public:
    // How much of a member there must be.
    enum class Need { value, member_or_null, nothing };

    [[nodiscard]] const std::optional<FrameError>& fault() const { return fault_; }

    // Reads the elements of an array one after the other, up to the first that is at fault.
    template <class T>
    void each(dom::array array, std::vector<T>& out,
              void (*read)(MemberReader&, dom::element, T&)) {
        out.reserve(array.size());
        std::size_t count = 0;
        for (const auto element : array) {
            read(*this, element, count < out.size() ? out[count] : out.emplace_back());
            if (fault_) return;
            ++count;
        }
        out.resize(count);
    }

    // Reads an object that may be absent.
    template <class Object, class T>
    void part_of(const Object& object, typename Object::Name key, std::optional<T>& out,
                 void (*read)(MemberReader&, dom::object, T&)) {
        dom::object part;
        if (sub_object(object, key, part)) {
            read(*this, part, kept(out));
        } else {
            out.reset();
        }
    }

    void fail(FrameFault fault, std::string_view member) {
        if (!fault_) fault_ = FrameError{fault, std::string(member)};
    }

    // Looks a member up; false where it is absent or null, as far as `need` allows that.
    template <class Object>
    bool find(const Object& object, typename Object::Name key, Need need, dom::element& out) {
        const auto* const found = object.find(key);
        if (found == nullptr) {
            if (need != Need::nothing) fail(FrameFault::missing_member, key.text);
            return false;
        }
        if (found->is_null()) {
            if (need == Need::value) fail(FrameFault::wrong_type, key.text);
            return false;
        }
        out = *found;
        return true;
    }

    template <class Object>
    std::optional<double> number(const Object& object, typename Object::Name key, Need need) {
        dom::element element;
        if (!find(object, key, need, element)) return std::nullopt;
        double value = 0;
        if (element.get(value) != simdjson::SUCCESS) {
            fail(FrameFault::wrong_type, key.text);
            return std::nullopt;
        }
        return value;
    }

    template <class Object>
    std::optional<double> ranged(const Object& object, typename Object::Name key, Need need,
                                 double low, double high) {
        const auto value = number(object, key, need);
        if (value && !(*value >= low && *value <= high)) {
            fail(FrameFault::out_of_range, key.text);
            return std::nullopt;
        }
        return value;
    }
    template <class Object>
    std::optional<double> percent(const Object& object, typename Object::Name key) {
        return ranged(object, key, Need::member_or_null, 0, highest_percent);
    }
    template <class Object>
    std::optional<double> temperature(const Object& object, typename Object::Name key) {
        return ranged(object, key, Need::nothing, -300, 10000);
    }

    template <class Object>
    std::optional<std::uint64_t> count(const Object& object, typename Object::Name key, Need need) {
        dom::element element;
        if (!find(object, key, need, element)) return std::nullopt;
        std::uint64_t value = 0;
        if (element.get(value) == simdjson::SUCCESS) return value;
        fail(element.is_number() ? FrameFault::out_of_range : FrameFault::wrong_type, key.text);
        return std::nullopt;
    }
    template <class Object>
    std::optional<std::uint64_t> counter(const Object& object, typename Object::Name key) {
        return count(object, key, Need::nothing);
    }

    template <class Object>
    bool text(const Object& object, typename Object::Name key, Need need, std::size_t longest,
              std::string& out) {
        dom::element element;
        if (!find(object, key, need, element)) return false;
        std::string_view value;
        if (element.get(value) != simdjson::SUCCESS) {
            fail(FrameFault::wrong_type, key.text);
            return false;
        }
        if (value.size() > longest) {
            fail(FrameFault::out_of_range, key.text);
            return false;
        }
        out = value;
        return true;
    }

    template <class Object>
    void optional_text(const Object& object, typename Object::Name key,
                       std::optional<std::string>& out) {
        if (!text(object, key, Need::nothing, longest_text, kept(out))) out.reset();
    }

    // A name that is a key: not empty, no control characters.
    template <class Object>
    void name(const Object& object, typename Object::Name key, std::size_t longest,
              std::string& out) {
        if (!text(object, key, Need::value, longest, out)) return;
        const auto is_control = [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        };
        if (out.empty() || std::ranges::any_of(out, is_control))
            fail(FrameFault::out_of_range, key.text);
    }

    template <class Object>
    bool array(const Object& object, typename Object::Name key, Need need, dom::array& out) {
        dom::element element;
        if (!find(object, key, need, element)) return false;
        if (element.get(out) == simdjson::SUCCESS) return true;
        fail(FrameFault::wrong_type, key.text);
        return false;
    }

    template <class Object>
    bool sub_object(const Object& object, typename Object::Name key, dom::object& out) {
        dom::element element;
        if (!find(object, key, Need::nothing, element)) return false;
        if (element.get(out) == simdjson::SUCCESS) return true;
        fail(FrameFault::wrong_type, key.text);
        return false;
    }

    template <class Object>
    void counts(const Object& object, typename Object::Name key, std::size_t most,
                std::vector<std::uint64_t>& out) {
        out.clear();
        dom::array values;
        if (!array(object, key, Need::nothing, values)) return;
        if (values.size() > most) return fail(FrameFault::out_of_range, key.text);
        for (const auto element : values) {
            std::uint64_t value = 0;
            if (element.get(value) != simdjson::SUCCESS)
                return fail(FrameFault::wrong_type, key.text);
            out.push_back(value);
        }
    }

    // {"name":[number, number]}
    template <class Object, class Row>
    void pairs(const Object& object, typename Object::Name key, std::size_t most,
               std::vector<Row>& out) {
        out.clear();
        dom::object rows;
        if (!sub_object(object, key, rows)) return;
        if (rows.size() > most) return fail(FrameFault::out_of_range, key.text);
        for (const auto field : rows) {
            dom::array pair;
            std::uint64_t first = 0;
            std::uint64_t second = 0;
            if (field.value.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                pair.at(0).get(first) != simdjson::SUCCESS ||
                pair.at(1).get(second) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, key.text);
            }
            if (field.key.size() > longest_name) return fail(FrameFault::out_of_range, key.text);
            out.push_back({std::string(field.key), first, second});
        }
    }

  private:
    std::optional<FrameError> fault_;
};

using Need = MemberReader::Need;

}  // namespace virtpulse::wire
