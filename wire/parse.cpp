#include <algorithm>
#include <array>
#include <new>

#include <simdjson.h>

#include "wire/frame_codec.h"

namespace virtpulse::wire {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t deepest_nesting = 16;
constexpr std::size_t most_blocks = 256;  // of one VM
constexpr std::size_t most_ahead = 64;
constexpr std::size_t most_reasons = 64;
constexpr std::size_t most_missing = 32;
constexpr std::size_t longest_text = 1024;
// Percent of a VM's vCPUs also counts the emulator's threads, so it can pass 100 by far.
constexpr double highest_percent = 1e6;
constexpr double latest_time_s = 4102444800.0 * 100;  // some 13,000 years: what a double still says

// A member's name, with what tells most others from it at a look. Made by the compiler.
struct Key {
    constexpr Key(const char* name) : Key(std::string_view(name)) {}
    constexpr Key(std::string_view name) : text(name), mark(mark_of(name)), bit(bit_of(mark)) {}

    // The same for the same name; others seldom share it.
    static constexpr std::uint32_t mark_of(std::string_view key) {
        if (key.empty()) return 0;
        const auto byte = [&](std::size_t at) {
            return static_cast<std::uint32_t>(static_cast<unsigned char>(key[at]));
        };
        return static_cast<std::uint32_t>(key.size() & 0xFFU) | byte(0) << 8U |
               byte(key.size() / 2) << 16U | byte(key.size() - 1) << 24U;
    }
    static constexpr std::uint64_t bit_of(std::uint32_t mark) {
        return std::uint64_t{1} << (mark * 0x9E3779B1U >> 26U);
    }

    std::string_view text;
    std::uint32_t mark;
    std::uint64_t bit;
};

// The members of the objects that were asked last. Some forty are asked for of each object, most of
// which may be absent: simdjson alone would go through the object's text for each.
class Members {
  public:
    // Another document begins.
    void forget() {
        for (auto& known : known_)
            known.count = 0;
    }

    // Gives the first member of that name, if there is one.
    bool find(dom::object object, const Key& key, dom::element& out) {
        const auto& known = known_of(object);
        if (known.count == 0) return object.at_key(key.text).get(out) == simdjson::SUCCESS;
        if ((known.marks & key.bit) == 0) return false;
        for (std::size_t at = 0; at < known.count; ++at) {
            const auto& member = known.members[at];
            if (member.mark != key.mark || member.key != key.text) continue;
            out = member.value;
            return true;
        }
        return false;
    }

  private:
    static constexpr std::size_t most = 48;  // no object that we write has more
    struct Member {
        std::uint32_t mark;
        std::string_view key;
        dom::element value;
    };
    struct Known {
        dom::object::iterator begin;
        std::size_t count = 0;    // 0: of no object
        std::uint64_t marks = 0;  // a bit for each: most that is absent has none of them
        std::array<Member, most> members;
    };

    const Known& known_of(dom::object object) {
        const auto begin = object.begin();
        const auto is_it = [&](const Known& known) {
            return known.count > 0 && known.begin == begin;
        };
        if (is_it(known_[last_])) return known_[last_];
        for (std::size_t at = 0; at < known_.size(); ++at) {
            if (is_it(known_[at])) return known_[last_ = at];
        }
        last_ = next_;
        next_ = (next_ + 1) % known_.size();
        auto& known = known_[last_];
        known.count = 0;
        known.marks = 0;
        if (object.size() > most) return known;
        known.begin = begin;
        for (const auto field : object) {
            const auto mark = Key::mark_of(field.key);
            known.members[known.count++] = {mark, field.key, field.value};
            known.marks |= Key::bit_of(mark);
        }
        return known;
    }

    std::array<Known, 4> known_;  // an object, and what is in it
    std::size_t last_ = 0;        // asked for
    std::size_t next_ = 0;        // that gives way
};

// Reads members into a frame. The first fault found is kept, and reading goes on harmlessly.
class Reader {
  public:
    explicit Reader(Members& members) : members_(members) { members_.forget(); }

    [[nodiscard]] const std::optional<FrameError>& fault() const { return fault_; }

    void frame(dom::element root, Frame& out) {
        dom::object object;
        if (root.get(object) != simdjson::SUCCESS) return fail(FrameFault::not_object, "");
        auto vms_before = std::move(out.vms);  // for its memory
        out = {};
        vms_before.clear();
        out.vms = std::move(vms_before);
        Host& host = out.host;
        name(object, "name", longest_name, host.name);
        if (const auto time = number(object, "time", Need::value)) {
            if (*time < 0 || *time > latest_time_s) return fail(FrameFault::out_of_range, "time");
            host.time = *time;
        }
        host.cpu = percent(object, "cpu");
        host.ram = percent(object, "ram");
        host.disk = percent(object, "disk");
        host.cputemp = temperature(object, "cputemp");
        host.mbtemp = temperature(object, "mbtemp");

        dom::array vms;
        if (!array(object, "vms", Need::value, vms)) return;
        out.vms.reserve(vms.size());
        for (const auto element : vms) {
            vm(element, out.vms.emplace_back());
            if (fault_) return;
        }
        if (dom::object ext; sub_object(object, "ext", ext)) host_ext(ext, host.ext.emplace());
    }

  private:
    enum class Need { value, member_or_null, nothing };

    void fail(FrameFault fault, const Key& key) {
        if (!fault_) fault_ = FrameError{fault, std::string(key.text)};
    }

    // Looks a member up; false where it is absent or null, as far as `need` allows that.
    bool find(dom::object object, const Key& key, Need need, dom::element& out) {
        if (!members_.find(object, key, out)) {
            if (need != Need::nothing) fail(FrameFault::missing_member, key);
            return false;
        }
        if (out.is_null()) {
            if (need == Need::value) fail(FrameFault::wrong_type, key);
            return false;
        }
        return true;
    }

    std::optional<double> number(dom::object object, const Key& key, Need need) {
        dom::element element;
        if (!find(object, key, need, element)) return std::nullopt;
        double value = 0;
        if (element.get(value) != simdjson::SUCCESS) {
            fail(FrameFault::wrong_type, key);
            return std::nullopt;
        }
        return value;
    }

    std::optional<double> ranged(dom::object object, const Key& key, Need need, double low,
                                 double high) {
        const auto value = number(object, key, need);
        if (value && !(*value >= low && *value <= high)) {
            fail(FrameFault::out_of_range, key);
            return std::nullopt;
        }
        return value;
    }
    std::optional<double> percent(dom::object object, const Key& key) {
        return ranged(object, key, Need::member_or_null, 0, highest_percent);
    }
    std::optional<double> temperature(dom::object object, const Key& key) {
        return ranged(object, key, Need::nothing, -300, 10000);
    }

    std::optional<std::uint64_t> count(dom::object object, const Key& key, Need need) {
        dom::element element;
        if (!find(object, key, need, element)) return std::nullopt;
        std::uint64_t value = 0;
        if (element.get(value) == simdjson::SUCCESS) return value;
        fail(element.is_number() ? FrameFault::out_of_range : FrameFault::wrong_type, key);
        return std::nullopt;
    }
    std::optional<std::uint64_t> counter(dom::object object, const Key& key) {
        return count(object, key, Need::nothing);
    }

    bool text(dom::object object, const Key& key, Need need, std::size_t longest,
              std::string& out) {
        dom::element element;
        if (!find(object, key, need, element)) return false;
        std::string_view value;
        if (element.get(value) != simdjson::SUCCESS) {
            fail(FrameFault::wrong_type, key);
            return false;
        }
        if (value.size() > longest) {
            fail(FrameFault::out_of_range, key);
            return false;
        }
        out = value;
        return true;
    }

    // A name that is a key: not empty, no control characters.
    void name(dom::object object, const Key& key, std::size_t longest, std::string& out) {
        if (!text(object, key, Need::value, longest, out)) return;
        const auto is_control = [](char c) {
            return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
        };
        if (out.empty() || std::ranges::any_of(out, is_control))
            fail(FrameFault::out_of_range, key);
    }

    bool array(dom::object object, const Key& key, Need need, dom::array& out) {
        dom::element element;
        if (!find(object, key, need, element)) return false;
        if (element.get(out) == simdjson::SUCCESS) return true;
        fail(FrameFault::wrong_type, key);
        return false;
    }

    bool sub_object(dom::object object, const Key& key, dom::object& out) {
        dom::element element;
        if (!find(object, key, Need::nothing, element)) return false;
        if (element.get(out) == simdjson::SUCCESS) return true;
        fail(FrameFault::wrong_type, key);
        return false;
    }

    void vm(dom::element element, Vm& out) {
        dom::object object;
        if (element.get(object) != simdjson::SUCCESS) return fail(FrameFault::wrong_type, "vms");
        name(object, "name", longest_name, out.name);
        name(object, "uuid", longest_uuid, out.uuid);
        if (const auto state = count(object, "state", Need::value)) {
            if (*state > highest_domain_state) return fail(FrameFault::out_of_range, "state");
            out.state = static_cast<DomainState>(*state);
        }
        out.cpu = percent(object, "cpu");
        out.ram = count(object, "ram", Need::member_or_null);
        out.maxram = count(object, "maxram", Need::member_or_null);
        if (dom::object ext; sub_object(object, "ext", ext)) vm_ext(ext, out.ext.emplace());
    }

    void vm_ext(dom::object object, VmExt& out) {
        out.pid = counter(object, "pid");
        out.start = counter(object, "start");
        out.since = counter(object, "since");
        out.vcpus = counter(object, "vcpus");
        out.threads = counter(object, "threads");
        out.cpu_ns = counter(object, "cpu_ns");
        out.run_delay_ns = counter(object, "run_delay_ns");
        out.switches = counter(object, "switches");
        out.rss_bytes = counter(object, "rss_bytes");
        if (dom::object kvm; sub_object(object, "kvm", kvm)) read_kvm(kvm, out.kvm.emplace());
        out.cpu_moves = counter(object, "cpu_moves");
        out.node_moves = counter(object, "node_moves");
        out.major_faults = counter(object, "major_faults");
        if (dom::object cgroup; sub_object(object, "cgroup", cgroup)) {
            read_cgroup(cgroup, out.cgroup.emplace());
        }
        if (dom::object role; sub_object(object, "role", role)) read_role(role, out.role.emplace());
        if (dom::object wait; sub_object(object, "wait", wait)) read_wait(wait, out.wait.emplace());
        out.smt_shared_vcpus_sampled = counter(object, "smt_shared_vcpus_sampled");
        read_vcpus(object, out.vcpu);
        dom::array blocks;
        if (!array(object, "block", Need::nothing, blocks)) return;
        if (blocks.size() > most_blocks) return fail(FrameFault::out_of_range, "block");
        out.block.emplace();
        for (const auto element : blocks) {
            dom::object block;
            if (element.get(block) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "block");
            }
            read_block(block, out.block->emplace_back());
        }
    }

    void read_cgroup(dom::object object, CgroupExt& out) {
        out.age_ms = counter(object, "age_ms").value_or(0);
        out.periods = counter(object, "periods");
        out.throttled_periods = counter(object, "throttled_periods");
        out.throttled_ns = counter(object, "throttled_ns");
        pressure(object, out.pressure);
    }

    // [number, cpu_ns, run_delay_ns] or with p50_ns and p99_ns after them
    void read_vcpus(dom::object object, std::vector<VcpuExt>& out) {
        dom::array vcpus;
        if (!array(object, "vcpu", Need::nothing, vcpus)) return;
        if (vcpus.size() > most_vcpus_told) return fail(FrameFault::out_of_range, "vcpu");
        for (const auto element : vcpus) {
            dom::array row;
            VcpuExt vcpu;
            if (element.get(row) != simdjson::SUCCESS || (row.size() != 3 && row.size() != 5) ||
                row.at(0).get(vcpu.number) != simdjson::SUCCESS ||
                row.at(1).get(vcpu.cpu_ns) != simdjson::SUCCESS ||
                row.at(2).get(vcpu.run_delay_ns) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "vcpu");
            }
            if (row.size() == 5 &&
                (row.at(3).get(vcpu.wait_p50_ns.emplace()) != simdjson::SUCCESS ||
                 row.at(4).get(vcpu.wait_p99_ns.emplace()) != simdjson::SUCCESS)) {
                return fail(FrameFault::wrong_type, "vcpu");
            }
            out.push_back(vcpu);
        }
    }

    void pressure(dom::object object, std::optional<PressureExt>& out) {
        dom::object resources;
        if (!sub_object(object, "pressure_us", resources)) return;
        out.emplace();
        stall(resources, "cpu", out->cpu);
        stall(resources, "memory", out->memory);
        stall(resources, "io", out->io);
    }

    // [some] or [some, full]
    void stall(dom::object object, const Key& key, std::optional<Stall>& out) {
        dom::array times;
        if (!array(object, key, Need::nothing, times)) return;
        std::uint64_t full_us = 0;
        out.emplace();
        if (times.size() == 0 || times.size() > 2 ||
            times.at(0).get(out->some_us) != simdjson::SUCCESS ||
            (times.size() == 2 && times.at(1).get(full_us) != simdjson::SUCCESS)) {
            return fail(FrameFault::wrong_type, key);
        }
        if (times.size() == 2) out->full_us = full_us;
    }

    void read_ksm(dom::object object, KsmExt& out) {
        out.run = counter(object, "run").value_or(0);
        out.shared_bytes = counter(object, "shared_bytes").value_or(0);
        out.saved_bytes = counter(object, "saved_bytes").value_or(0);
    }

    void read_kvm(dom::object object, KvmCounters& out) {
        out.exits = counter(object, "exits");
        out.guest_ns = counter(object, "guest_ns");
        out.outside_ns = counter(object, "outside_ns");
        out.halt_wait_ns = counter(object, "halt_wait_ns");
        out.halt_poll_ns = counter(object, "halt_poll_ns");
        out.halt_poll_wasted_ns = counter(object, "halt_poll_wasted_ns");
        dom::array reasons;
        if (!array(object, "reasons", Need::nothing, reasons)) return;
        if (reasons.size() > most_reasons) return fail(FrameFault::out_of_range, "reasons");
        for (const auto element : reasons) {
            dom::array three;
            std::string_view reason;
            KvmExits exits;
            if (element.get(three) != simdjson::SUCCESS || three.size() != 3 ||
                three.at(0).get(reason) != simdjson::SUCCESS || reason.size() > longest_uuid ||
                three.at(1).get(exits.exits) != simdjson::SUCCESS ||
                three.at(2).get(exits.outside_ns) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "reasons");
            }
            exits.reason = reason;
            out.reasons.push_back(std::move(exits));
        }
    }

    void read_role(dom::object object, RoleExt& out) {
        out.vcpu_ns = counter(object, "vcpu_ns").value_or(0);
        out.emulator_ns = counter(object, "emulator_ns").value_or(0);
        out.io_ns = counter(object, "io_ns").value_or(0);
        out.vhost_ns = counter(object, "vhost_ns").value_or(0);
    }

    void read_wait(dom::object object, WaitExt& out) {
        out.merged = counter(object, "merged");
        out.phantom_ns = counter(object, "phantom_ns").value_or(0);
        out.p50_ns = counter(object, "p50_ns");
        out.p99_ns = counter(object, "p99_ns");
        counts(object, "counts", wait_buckets, out.counts);
        if (dom::object by; sub_object(object, "by_ns", by)) {
            for (std::size_t i = 0; i < wait_classes.size(); ++i)
                out.by_ns[i] = counter(by, wait_classes[i]).value_or(0);
        }
        dom::array culprits;
        if (!array(object, "culprits", Need::nothing, culprits)) return;
        if (culprits.size() > most_culprits) return fail(FrameFault::out_of_range, "culprits");
        for (const auto element : culprits) {
            dom::object culprit;
            if (element.get(culprit) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "culprits");
            }
            auto& read = out.culprits.emplace_back();
            name(culprit, "who", 16, read.who);
            text(culprit, "name", Need::nothing, longest_name, read.name);
            read.ns = counter(culprit, "ns").value_or(0);
            read.waits = counter(culprit, "waits").value_or(0);
        }
    }

    void read_block(dom::object object, BlockCounters& out) {
        name(object, "dev", 64, out.device);
        out.read_ops = counter(object, "read_ops");
        out.read_bytes = counter(object, "read_bytes");
        out.write_ops = counter(object, "write_ops");
        out.write_bytes = counter(object, "write_bytes");
        out.flush_ops = counter(object, "flush_ops");
        out.discard_ops = counter(object, "discard_ops");
        out.busy_ns = counter(object, "busy_ns");
        out.in_flight = counter(object, "in_flight");
        block_times(object, out);
    }

    void block_times(dom::object object, BlockCounters& out) {
        out.read_queue_ns = counter(object, "read_queue_ns");
        out.read_device_ns = counter(object, "read_device_ns");
        out.write_queue_ns = counter(object, "write_queue_ns");
        out.write_device_ns = counter(object, "write_device_ns");
        out.flush_ns = counter(object, "flush_ns");
        out.discard_ns = counter(object, "discard_ns");
        out.untimed_ops = counter(object, "untimed_ops");
        counts(object, "read_latency", block_latency_scale.buckets, out.read_latency);
        counts(object, "write_latency", block_latency_scale.buckets, out.write_latency);
        out.read_p50_ns = counter(object, "read_p50_ns");
        out.read_p99_ns = counter(object, "read_p99_ns");
        out.write_p50_ns = counter(object, "write_p50_ns");
        out.write_p99_ns = counter(object, "write_p99_ns");
        out.ahead_ns = counter(object, "ahead_ns");
        dom::array ahead;
        if (!array(object, "ahead", Need::nothing, ahead)) return;
        if (ahead.size() > most_ahead) return fail(FrameFault::out_of_range, "ahead");
        for (const auto element : ahead) {
            dom::array pair;
            std::string_view who;
            std::uint64_t ns = 0;
            if (element.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                pair.at(0).get(who) != simdjson::SUCCESS ||
                pair.at(1).get(ns) != simdjson::SUCCESS || who.size() > longest_uuid) {
                return fail(FrameFault::wrong_type, "ahead");
            }
            out.ahead.push_back({std::string(who), ns});
        }
    }

    void counts(dom::object object, const Key& key, std::size_t most,
                std::vector<std::uint64_t>& out) {
        dom::array values;
        if (!array(object, key, Need::nothing, values)) return;
        if (values.size() > most) return fail(FrameFault::out_of_range, key);
        for (const auto element : values) {
            std::uint64_t value = 0;
            if (element.get(value) != simdjson::SUCCESS) return fail(FrameFault::wrong_type, key);
            out.push_back(value);
        }
    }

    void host_ext(dom::object object, HostExt& out) {
        if (std::string id; text(object, "id", Need::nothing, longest_text, id)) out.id = id;
        out.boot = counter(object, "boot");
        out.interval_ms = counter(object, "interval_ms");
        if (std::string source; text(object, "source", Need::nothing, longest_text, source)) {
            out.source = source;
        }
        out.sample = counter(object, "sample");
        part(object, out);
        missing(object, out);
        out.cpus = counter(object, "cpus");
        out.mem_total_bytes = counter(object, "mem_total_bytes");
        pressure(object, out.pressure);
        if (dom::object ksm; sub_object(object, "ksm", ksm)) read_ksm(ksm, out.ksm.emplace());
        if (dom::object self; sub_object(object, "self", self)) cost(self, out.self.emplace());
    }

    void part(dom::object object, HostExt& out) {
        dom::array array_of_two;
        if (!array(object, "part", Need::nothing, array_of_two)) return;
        std::uint64_t index = 0;
        std::uint64_t parts = 0;
        if (array_of_two.size() != 2 || array_of_two.at(0).get(index) != simdjson::SUCCESS ||
            array_of_two.at(1).get(parts) != simdjson::SUCCESS) {
            return fail(FrameFault::wrong_type, "part");
        }
        if (parts == 0 || parts > most_parts || index >= parts || !out.sample) {
            return fail(FrameFault::out_of_range, "part");
        }
        out.part = Part{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(parts)};
    }

    void missing(dom::object object, HostExt& out) {
        dom::object reasons;
        if (!sub_object(object, "missing", reasons)) return;
        if (reasons.size() > most_missing) return fail(FrameFault::out_of_range, "missing");
        for (const auto field : reasons) {
            std::string_view reason;
            if (field.value.get(reason) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "missing");
            }
            if (field.key.size() > longest_name || reason.size() > longest_text) {
                return fail(FrameFault::out_of_range, "missing");
            }
            out.missing.emplace(field.key, reason);
        }
    }

    void cost(dom::object object, AgentCost& out) {
        out.cpu_ns = counter(object, "cpu_ns");
        out.rss_bytes = counter(object, "rss_bytes");
        out.sample_ns = counter(object, "sample_ns");
        out.send_errors = counter(object, "send_errors");
        out.late_samples = counter(object, "late_samples");
        out.omitted_vms = counter(object, "omitted_vms");
        out.update_failures = counter(object, "update_failures");
        out.lost_completions = counter(object, "lost_completions");
        read_pairs(object, "programs", out.programs);
        read_pairs(object, "maps", out.maps);
    }

    // {"name":[number, number]}
    template <class Row>
    void read_pairs(dom::object object, const Key& key, std::vector<Row>& out) {
        dom::object rows;
        if (!sub_object(object, key, rows)) return;
        if (rows.size() > most_programs_or_maps) return fail(FrameFault::out_of_range, key);
        for (const auto field : rows) {
            dom::array pair;
            std::uint64_t first = 0;
            std::uint64_t second = 0;
            if (field.value.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
                pair.at(0).get(first) != simdjson::SUCCESS ||
                pair.at(1).get(second) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, key);
            }
            if (field.key.size() > longest_name) return fail(FrameFault::out_of_range, key);
            out.push_back({std::string(field.key), first, second});
        }
    }

    Members& members_;
    std::optional<FrameError> fault_;
};

}  // namespace

struct FrameParser::Impl {
    dom::parser parser{largest_datagram + simdjson::SIMDJSON_PADDING};
    Members members;
};

FrameParser::FrameParser() : impl_(std::make_unique<Impl>()) {
    if (impl_->parser.allocate(largest_datagram, deepest_nesting) != simdjson::SUCCESS) {
        throw std::bad_alloc();  // at start-up, where nothing can go on without it
    }
}
FrameParser::~FrameParser() = default;
FrameParser::FrameParser(FrameParser&&) noexcept = default;
FrameParser& FrameParser::operator=(FrameParser&&) noexcept = default;

std::optional<FrameError> FrameParser::parse(std::string_view json, Frame& frame) {
    if (json.size() > largest_datagram) return FrameError{FrameFault::too_long, {}};
    dom::element root;
    // Copied into the parser's own padded buffer: the datagram's has no room behind it.
    if (impl_->parser.parse(json.data(), json.size(), true).get(root) != simdjson::SUCCESS) {
        return FrameError{FrameFault::not_json, {}};
    }
    Reader reader(impl_->members);
    reader.frame(root, frame);
    return reader.fault();
}

}  // namespace virtpulse::wire
