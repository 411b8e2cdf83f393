#include <algorithm>
#include <new>

#include <simdjson.h>

#include "wire/frame_codec.h"
#include "wire/members.h"

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

constexpr MemberNames frame_names("name", "time", "cpu", "ram", "disk", "cputemp", "mbtemp", "vms",
                                  "ext");
constexpr MemberNames vm_names("name", "uuid", "state", "cpu", "ram", "maxram", "ext");
constexpr MemberNames vm_ext_names("pid", "start", "since", "vcpus", "threads", "cpu_ns",
                                   "run_delay_ns", "switches", "rss_bytes", "kvm", "cpu_moves",
                                   "node_moves", "major_faults", "cgroup", "role", "wait",
                                   "smt_shared_vcpus_sampled", "vcpu", "block");
constexpr MemberNames cgroup_names("age_ms", "periods", "throttled_periods", "throttled_ns",
                                   "pressure_us");
constexpr MemberNames pressure_names("cpu", "memory", "io");
constexpr MemberNames ksm_names("run", "shared_bytes", "saved_bytes");
constexpr MemberNames kvm_names("exits", "guest_ns", "outside_ns", "halt_wait_ns", "halt_poll_ns",
                                "halt_poll_wasted_ns", "reasons");
constexpr MemberNames role_names("vcpu_ns", "emulator_ns", "io_ns", "vhost_ns");
constexpr MemberNames wait_names("merged", "phantom_ns", "p50_ns", "p99_ns", "counts", "by_ns",
                                 "culprits");
constexpr auto by_names =
    std::apply([](auto... classes) { return MemberNames(classes...); }, wait_classes);
constexpr MemberNames culprit_names("who", "name", "ns", "waits");
constexpr MemberNames block_names("dev", "read_ops", "read_bytes", "write_ops", "write_bytes",
                                  "flush_ops", "discard_ops", "busy_ns", "in_flight",
                                  "read_queue_ns", "read_device_ns", "write_queue_ns",
                                  "write_device_ns", "flush_ns", "discard_ns", "untimed_ops",
                                  "read_latency", "write_latency", "read_p50_ns", "read_p99_ns",
                                  "write_p50_ns", "write_p99_ns", "ahead_ns", "ahead");
constexpr MemberNames host_ext_names("id", "boot", "interval_ms", "source", "sample", "part",
                                     "missing", "cpus", "mem_total_bytes", "pressure_us", "ksm",
                                     "self");
constexpr MemberNames cost_names("cpu_ns", "rss_bytes", "sample_ns", "send_errors", "late_samples",
                                 "omitted_vms", "update_failures", "lost_completions", "programs",
                                 "maps");

// Where a value is to be read to: what is there already keeps the memory that it has.
template <class T>
T& kept(std::optional<T>& out) {
    return out ? *out : out.emplace();
}

// Reads members into a frame, which may have been read before: every member of it is written. The
// first fault found is kept, and reading goes on harmlessly.
class Reader {
  public:
    [[nodiscard]] const std::optional<FrameError>& fault() const { return fault_; }

    void frame(dom::element root, Frame& out) {
        dom::object json;
        if (root.get(json) != simdjson::SUCCESS) return fail(FrameFault::not_object, {});
        const Members<frame_names> object(json);
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
        read_each(vms, out.vms, &Reader::vm);
        if (fault_) return;
        part_of(object, "ext", host.ext, &Reader::host_ext);
    }

  private:
    enum class Need { value, member_or_null, nothing };

    // Reads the elements of an array one after the other, up to the first that is at fault.
    template <class T>
    void read_each(dom::array array, std::vector<T>& out, void (Reader::*read)(dom::element, T&)) {
        out.reserve(array.size());
        std::size_t count = 0;
        for (const auto element : array) {
            (this->*read)(element, count < out.size() ? out[count] : out.emplace_back());
            if (fault_) return;
            ++count;
        }
        out.resize(count);
    }

    // Reads an object that may be absent.
    template <class Object, class T>
    void part_of(const Object& object, typename Object::Name key, std::optional<T>& out,
                 void (Reader::*read)(dom::object, T&)) {
        dom::object part;
        if (sub_object(object, key, part)) {
            (this->*read)(part, kept(out));
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

    void vm(dom::element element, Vm& out) {
        dom::object json;
        if (element.get(json) != simdjson::SUCCESS) return fail(FrameFault::wrong_type, "vms");
        const Members<vm_names> object(json);
        name(object, "name", longest_name, out.name);
        name(object, "uuid", longest_uuid, out.uuid);
        if (const auto state = count(object, "state", Need::value)) {
            if (*state > highest_domain_state) return fail(FrameFault::out_of_range, "state");
            out.state = static_cast<DomainState>(*state);
        }
        out.cpu = percent(object, "cpu");
        out.ram = count(object, "ram", Need::member_or_null);
        out.maxram = count(object, "maxram", Need::member_or_null);
        part_of(object, "ext", out.ext, &Reader::vm_ext);
    }

    void vm_ext(dom::object json, VmExt& out) {
        const Members<vm_ext_names> object(json);
        out.pid = counter(object, "pid");
        out.start = counter(object, "start");
        out.since = counter(object, "since");
        out.vcpus = counter(object, "vcpus");
        out.threads = counter(object, "threads");
        out.cpu_ns = counter(object, "cpu_ns");
        out.run_delay_ns = counter(object, "run_delay_ns");
        out.switches = counter(object, "switches");
        out.rss_bytes = counter(object, "rss_bytes");
        part_of(object, "kvm", out.kvm, &Reader::read_kvm);
        out.cpu_moves = counter(object, "cpu_moves");
        out.node_moves = counter(object, "node_moves");
        out.major_faults = counter(object, "major_faults");
        part_of(object, "cgroup", out.cgroup, &Reader::read_cgroup);
        part_of(object, "role", out.role, &Reader::read_role);
        part_of(object, "wait", out.wait, &Reader::read_wait);
        out.smt_shared_vcpus_sampled = counter(object, "smt_shared_vcpus_sampled");
        read_vcpus(object, out.vcpu);
        dom::array blocks;
        if (!array(object, "block", Need::nothing, blocks)) return out.block.reset();
        if (blocks.size() > most_blocks) return fail(FrameFault::out_of_range, "block");
        read_each(blocks, kept(out.block), &Reader::read_block);
    }

    void read_cgroup(dom::object json, CgroupExt& out) {
        const Members<cgroup_names> object(json);
        out.age_ms = counter(object, "age_ms").value_or(0);
        out.periods = counter(object, "periods");
        out.throttled_periods = counter(object, "throttled_periods");
        out.throttled_ns = counter(object, "throttled_ns");
        part_of(object, "pressure_us", out.pressure, &Reader::read_pressure);
    }

    // [number, cpu_ns, run_delay_ns] or with p50_ns and p99_ns after them
    void read_vcpus(const Members<vm_ext_names>& object, std::vector<VcpuExt>& out) {
        out.clear();
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

    void read_pressure(dom::object json, PressureExt& out) {
        const Members<pressure_names> object(json);
        stall(object, "cpu", out.cpu);
        stall(object, "memory", out.memory);
        stall(object, "io", out.io);
    }

    // [some] or [some, full]
    template <class Object>
    void stall(const Object& object, typename Object::Name key, std::optional<Stall>& out) {
        out.reset();
        dom::array times;
        if (!array(object, key, Need::nothing, times)) return;
        std::uint64_t full_us = 0;
        out.emplace();
        if (times.size() == 0 || times.size() > 2 ||
            times.at(0).get(out->some_us) != simdjson::SUCCESS ||
            (times.size() == 2 && times.at(1).get(full_us) != simdjson::SUCCESS)) {
            return fail(FrameFault::wrong_type, key.text);
        }
        if (times.size() == 2) out->full_us = full_us;
    }

    void read_ksm(dom::object json, KsmExt& out) {
        const Members<ksm_names> object(json);
        out.run = counter(object, "run").value_or(0);
        out.shared_bytes = counter(object, "shared_bytes").value_or(0);
        out.saved_bytes = counter(object, "saved_bytes").value_or(0);
    }

    void read_kvm(dom::object json, KvmCounters& out) {
        const Members<kvm_names> object(json);
        out.exits = counter(object, "exits");
        out.guest_ns = counter(object, "guest_ns");
        out.outside_ns = counter(object, "outside_ns");
        out.halt_wait_ns = counter(object, "halt_wait_ns");
        out.halt_poll_ns = counter(object, "halt_poll_ns");
        out.halt_poll_wasted_ns = counter(object, "halt_poll_wasted_ns");
        out.reasons.clear();
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

    void read_role(dom::object json, RoleExt& out) {
        const Members<role_names> object(json);
        out.vcpu_ns = counter(object, "vcpu_ns").value_or(0);
        out.emulator_ns = counter(object, "emulator_ns").value_or(0);
        out.io_ns = counter(object, "io_ns").value_or(0);
        out.vhost_ns = counter(object, "vhost_ns").value_or(0);
    }

    void read_wait(dom::object json, WaitExt& out) {
        const Members<wait_names> object(json);
        out.merged = counter(object, "merged");
        out.phantom_ns = counter(object, "phantom_ns").value_or(0);
        out.p50_ns = counter(object, "p50_ns");
        out.p99_ns = counter(object, "p99_ns");
        counts(object, "counts", wait_buckets, out.counts);
        out.by_ns.fill(0);
        if (dom::object json_by; sub_object(object, "by_ns", json_by)) {
            const Members<by_names> by(json_by);
            using Class = Members<by_names>::Name;
            for (std::size_t i = 0; i < wait_classes.size(); ++i)
                out.by_ns[i] = counter(by, Class(i)).value_or(0);
        }
        out.culprits.clear();
        dom::array culprits;
        if (!array(object, "culprits", Need::nothing, culprits)) return;
        if (culprits.size() > most_culprits) return fail(FrameFault::out_of_range, "culprits");
        for (const auto element : culprits) {
            dom::object json_culprit;
            if (element.get(json_culprit) != simdjson::SUCCESS) {
                return fail(FrameFault::wrong_type, "culprits");
            }
            const Members<culprit_names> culprit(json_culprit);
            auto& read = out.culprits.emplace_back();
            name(culprit, "who", 16, read.who);
            text(culprit, "name", Need::nothing, longest_name, read.name);
            read.ns = counter(culprit, "ns").value_or(0);
            read.waits = counter(culprit, "waits").value_or(0);
        }
    }

    void read_block(dom::element element, BlockCounters& out) {
        dom::object json;
        if (element.get(json) != simdjson::SUCCESS) return fail(FrameFault::wrong_type, "block");
        const Members<block_names> object(json);
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

    void block_times(const Members<block_names>& object, BlockCounters& out) {
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
        out.ahead.clear();
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

    void host_ext(dom::object json, HostExt& out) {
        const Members<host_ext_names> object(json);
        optional_text(object, "id", out.id);
        out.boot = counter(object, "boot");
        out.interval_ms = counter(object, "interval_ms");
        optional_text(object, "source", out.source);
        out.sample = counter(object, "sample");
        part(object, out);
        missing(object, out);
        out.cpus = counter(object, "cpus");
        out.mem_total_bytes = counter(object, "mem_total_bytes");
        part_of(object, "pressure_us", out.pressure, &Reader::read_pressure);
        part_of(object, "ksm", out.ksm, &Reader::read_ksm);
        part_of(object, "self", out.self, &Reader::cost);
    }

    void part(const Members<host_ext_names>& object, HostExt& out) {
        out.part.reset();
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

    void missing(const Members<host_ext_names>& object, HostExt& out) {
        out.missing.clear();
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

    void cost(dom::object json, AgentCost& out) {
        const Members<cost_names> object(json);
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
    void read_pairs(const Members<cost_names>& object, Members<cost_names>::Name key,
                    std::vector<Row>& out) {
        out.clear();
        dom::object rows;
        if (!sub_object(object, key, rows)) return;
        if (rows.size() > most_programs_or_maps) return fail(FrameFault::out_of_range, key.text);
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

    std::optional<FrameError> fault_;
};

}  // namespace

struct FrameParser::Impl {
    dom::parser parser{largest_datagram + simdjson::SIMDJSON_PADDING};
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
    Reader reader;
    reader.frame(root, frame);
    return reader.fault();
}

}  // namespace virtpulse::wire
