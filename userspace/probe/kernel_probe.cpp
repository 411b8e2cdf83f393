#include "userspace/probe/kernel_probe.h"

#include <bpf/bpf.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "userspace/probe/kernel_probe_impl.h"

namespace virtpulse::agent {
namespace {

template <class Record, std::size_t count>
Result<void> map_memory(const bpf_map* map, Mapped<Record, count>& mapped) {
    void* memory = mmap(nullptr, sizeof(Record) * count, PROT_READ | PROT_WRITE, MAP_SHARED,
                        bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) {
        return system_error("cannot map the records in " + std::string(bpf_map__name(map)));
    }
    mapped.reset(static_cast<Record*>(memory));
    return {};
}

// Runs an iterator to its end; what it would print is nothing.
Result<void> run_iterator(bpf_link* link, std::string_view name) {
    const Fd iterator(bpf_iter_create(bpf_link__fd(link)));
    if (!iterator) return system_error("cannot run the iterator " + std::string(name));
    char nothing[64];
    ssize_t got = 0;
    while ((got = read(iterator.get(), nothing, sizeof nothing)) != 0) {
        if (got < 0 && errno != EINTR && errno != EAGAIN) {
            return system_error("cannot run the iterator " + std::string(name));
        }
    }
    return {};
}

// The verifier's log of one program at a time, of which only what is written takes memory. Far more
// than a log of level 1 has: kernels before 6.4 cut a longer one at its end, where the reason is.
constexpr std::size_t verifier_log_bytes = 16'000'000;

std::string_view end_of(std::string_view log) {
    constexpr std::size_t shown = 2000;
    return log.substr(log.size() - std::min(log.size(), shown));
}

bool is_pinned(const virtpulse_bpf& skeleton, const bpf_map* map) {
    return map != skeleton.maps.thread_slots && map != skeleton.maps.cpus &&
           bpf_map__autocreate(map) && !bpf_map__is_internal(map);
}

MapShape shape_of(const bpf_map* map) {
    return {static_cast<std::uint32_t>(bpf_map__type(map)), bpf_map__key_size(map),
            bpf_map__value_size(map), bpf_map__max_entries(map), bpf_map__map_flags(map)};
}

// The maps whose pins are of another shape, so that they cannot be reused: none, `culprits` alone,
// whose room is an option, or all of them, as their layouts belong together.
Result<std::vector<bpf_map*>> maps_of_other_shape(const virtpulse_bpf& skeleton,
                                                  const PinDirectory& pins) {
    std::vector<bpf_map*> pinned_maps;
    bool only_room = false;
    bool any_other = false;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (!is_pinned(skeleton, map)) continue;
        pinned_maps.push_back(map);
        const auto pinned = pins.shape_of(bpf_map__name(map));
        if (!pinned) return pinned.error();
        MapShape wanted = shape_of(map);
        if (!*pinned || **pinned == wanted) continue;
        if (map == skeleton.maps.culprits) wanted.max_entries = (*pinned)->max_entries;
        (**pinned == wanted ? only_room : any_other) = true;
    }
    if (any_other) return pinned_maps;
    if (only_room) return std::vector{skeleton.maps.culprits};
    return std::vector<bpf_map*>{};
}

// What `plan` says, as far as it is decided before the kernel sees it. The maps that are to be
// pinned only once the programs run, see replace_pins().
Result<std::vector<bpf_map*>> prepare(const virtpulse_bpf& skeleton, const ProgramPlan& plan,
                                      const PinDirectory* pins, std::uint32_t most_culprits) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        bpf_program__set_autoload(program, plan.loads(bpf_program__name(program)));
    }
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) return system_error("cannot tell how many CPUs there are", -cpus);
    bpf_map__set_max_entries(skeleton.maps.cpus, static_cast<std::uint32_t>(cpus));
    bpf_map__set_max_entries(skeleton.maps.culprits, most_culprits);
    skeleton.rodata->queued_by_bio = plan.queued_by_bio();
    skeleton.rodata->queued_is_seen = plan.queued_is_seen();
    skeleton.rodata->waits_left_out = plan.waits_left_out;
    skeleton.rodata->dm_clone_end = plan.dm_clone_end;
    skeleton.rodata->dm_crypt_end = plan.dm_crypt_end;
    bpf_map__set_autocreate(skeleton.maps.vcpus, plan.loads("vp_kvm_entry"));
    if (!pins) return std::vector<bpf_map*>{};
    auto to_pin = maps_of_other_shape(skeleton, *pins);
    if (!to_pin) return to_pin;
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (!is_pinned(skeleton, map) || std::ranges::count(*to_pin, map) != 0) continue;
        if (const int error =
                bpf_map__set_pin_path(map, pins->path_of(bpf_map__name(map)).c_str())) {
            return system_error("cannot pin " + pins->path_of(bpf_map__name(map)), -error);
        }
    }
    return to_pin;
}

// Calls `tell(name, info)` for each program that is loaded.
template <class Tell>
void for_each_program_info(const virtpulse_bpf& skeleton, Tell tell) {
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        const int fd = bpf_program__fd(program);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) continue;
        tell(bpf_program__name(program), info);
    }
}

// How many instructions the verifier went through for each program: of those that it allows,
// 1,000,000.
void log_verified(const virtpulse_bpf& skeleton) {
    if (!spdlog::should_log(spdlog::level::debug)) return;
    for_each_program_info(skeleton, [](const char* name, const bpf_prog_info& info) {
        spdlog::debug("verified instructions: {} {}", name, info.verified_insns);
    });
}

// Shows the programs to the kernel.
OrRefusal<> load_programs(virtpulse_bpf& skeleton) {
    const auto log = std::make_unique_for_overwrite<char[]>(verifier_log_bytes);
    log[0] = '\0';
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton.obj) {
        bpf_program__set_log_buf(program, log.get(), verifier_log_bytes);  // only used by the load
    }
    const LibbpfWarnings warnings;
    const int error = virtpulse_bpf__load(&skeleton);
    if (error == 0) {
        log_verified(skeleton);
        return {};
    }
    if (log[0] != '\0') spdlog::debug("the verifier's log ends with:\n{}", end_of(log.get()));
    if (warnings.program().empty()) {
        const auto reason = refusal_reason("", warnings.message(), -error);
        return Refusal{{}, {"cannot load the BPF object: " + reason, -error}};
    }
    return Refusal{warnings.program(),
                   {refusal_reason(log.get(), warnings.message(), -error), -error}};
}

}  // namespace

void FreeSkeleton::operator()(virtpulse_bpf* skeleton) const noexcept {
    virtpulse_bpf__destroy(skeleton);
}

KernelProbe::KernelProbe(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelProbe::KernelProbe(KernelProbe&&) noexcept = default;
KernelProbe& KernelProbe::operator=(KernelProbe&&) noexcept = default;
KernelProbe::~KernelProbe() = default;

OrRefusal<KernelProbe> KernelProbe::load(const ProgramPlan& plan, const PinDirectory* pins,
                                         std::uint32_t most_culprits) {
    auto impl = std::make_unique<Impl>();
    impl->skeleton.reset(virtpulse_bpf__open());
    if (!impl->skeleton) return Refusal{{}, system_error("cannot open the BPF object")};
    auto to_pin = prepare(*impl->skeleton, plan, pins, most_culprits);
    if (!to_pin) return Refusal{{}, to_pin.error()};
    impl->to_pin = std::move(*to_pin);
    if (const auto loaded = load_programs(*impl->skeleton); !loaded) return loaded.error();
    const auto& maps = impl->skeleton->maps;
    auto mapped = map_memory(maps.threads, impl->threads);
    if (mapped) mapped = map_memory(maps.waits, impl->waits);
    if (mapped && bpf_map__autocreate(maps.vcpus)) mapped = map_memory(maps.vcpus, impl->vcpus);
    if (mapped) mapped = map_memory(maps.devices, impl->devices);
    if (!mapped) return Refusal{{}, mapped.error()};
    return KernelProbe(std::move(impl));
}

OrRefusal<> KernelProbe::attach() {
    for (const auto& need : program_needs()) {
        const std::string name(need.program);
        bpf_program* program = bpf_object__find_program_by_name(impl_->skeleton->obj, name.c_str());
        if (!program || !bpf_program__autoload(program)) continue;
        if (bpf_program__type(program) == BPF_PROG_TYPE_SYSCALL) continue;  // run by us
        Link link(bpf_program__attach(program));
        if (const int error = errno; !link) {
            return Refusal{name, {"cannot be attached: " + errno_text(error), error}};
        }
        if (name == "vp_adopt") {
            impl_->adopt = std::move(link);
        } else {
            impl_->links.push_back(std::move(link));
        }
    }
    return {};
}

Result<void> KernelProbe::replace_pins(const PinDirectory& pins) {
    if (impl_->to_pin.empty()) return {};
    if (impl_->to_pin.size() == 1) {
        spdlog::info("the pinned pairs start again from 0: their map has room for {} now",
                     bpf_map__max_entries(impl_->to_pin.front()));
    } else {
        spdlog::warn("the pinned counters start again from 0: their maps had another layout");
    }
    for (bpf_map* map : impl_->to_pin) {
        const std::string path = pins.path_of(bpf_map__name(map));
        pins.remove(bpf_map__name(map));
        if (const int error = bpf_map__pin(map, path.c_str())) {
            return system_error("cannot pin " + path, -error);
        }
    }
    impl_->to_pin.clear();
    return {};
}

Result<void> KernelProbe::measure_programs() {
    impl_->measuring = Fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!impl_->measuring) return system_error("the kernel does not measure BPF programs");
    return {};
}

KernelProbe::ProgramUse KernelProbe::program_use() const {
    constexpr std::array<std::string_view, 3> programs_of_births{
        "vp_process_exec", "vp_process_fork", "vp_wakeup_new"};
    ProgramUse use;
    for_each_program_info(*impl_->skeleton, [&](const char* name, const bpf_prog_info& info) {
        use.costs.push_back({name, info.run_cnt, info.run_time_ns});
        use.recursion_misses += info.recursion_misses;
        if (std::ranges::count(programs_of_births, name) != 0)
            use.missed_births += info.recursion_misses;
    });
    return use;
}

Result<void> KernelProbe::adopt_threads() {
    return run_iterator(impl_->adopt.get(), "vp_adopt");
}

}  // namespace virtpulse::agent
