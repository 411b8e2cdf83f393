#include "userspace/probe/kernel_probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string_view>

#include "base/fd.h"
#include "virtpulse_bpf.skel.h"

namespace virtpulse::agent {
namespace {

template <auto Free>
struct Release {
    template <class T>
    void operator()(T* handle) const noexcept {
        Free(handle);
    }
};
using Skeleton = std::unique_ptr<virtpulse_bpf, Release<virtpulse_bpf__destroy>>;
using Link = std::unique_ptr<bpf_link, Release<bpf_link__destroy>>;

// An array map's memory, of one record a thread.
template <class Record>
struct Unmap {
    void operator()(Record* memory) const noexcept {
        munmap(memory, sizeof(Record) * VP_MAX_THREADS);
    }
};
template <class Record>
using Mapped = std::unique_ptr<Record, Unmap<Record>>;

template <class Record>
Result<Mapped<Record>> map_memory(const bpf_map* map) {
    void* memory = mmap(nullptr, sizeof(Record) * VP_MAX_THREADS, PROT_READ | PROT_WRITE,
                        MAP_SHARED, bpf_map__fd(map), 0);
    if (memory == MAP_FAILED) {
        return system_error("cannot map the records in " + std::string(bpf_map__name(map)));
    }
    return Mapped<Record>(static_cast<Record*>(memory));
}

int log_libbpf(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    std::string_view line(text,
                          std::min(sizeof text - 1, static_cast<std::size_t>(std::max(length, 0))));
    while (line.ends_with('\n'))
        line.remove_suffix(1);
    spdlog::debug("{}", line);
    return 0;
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

// What batches are read into, reused from read to read.
template <class Key, class Value>
struct Batch {
    std::vector<Key> keys;
    std::vector<Value> values;
};

// How far a map has been read. Opaque to us; the kernel uses the size of a key at most.
struct Position {
    std::uint64_t opaque[4] = {};
    bool is_start = true;
};

// Reads a hash map in batches, from `from` on until its end or until `most` rows are passed; then
// `from` says where to go on. Entries that come or go meanwhile may be in it or not.
template <class Key, class Value, class Row>
Result<void> read_rows(const bpf_map* map, Batch<Key, Value>& batch, std::vector<Row>& rows,
                       Position& from, std::size_t most) {
    constexpr std::uint32_t step = 512;
    std::size_t count = 0;
    while (count < most) {
        batch.keys.resize(std::max(batch.keys.size(), count + step));
        batch.values.resize(std::max(batch.values.size(), count + step));
        std::uint32_t got = step;
        const int result = bpf_map_lookup_batch(
            bpf_map__fd(map), from.is_start ? nullptr : from.opaque, from.opaque,
            &batch.keys[count], &batch.values[count], &got, nullptr);
        const int error = errno;
        if (result != 0 && error != ENOENT) {
            return system_error("cannot read the map " + std::string(bpf_map__name(map)), error);
        }
        count += got;
        from.is_start = result != 0;  // ENOENT: that was the end
        if (from.is_start) break;
    }
    rows.clear();
    for (std::size_t i = 0; i < count; ++i)
        rows.push_back({batch.keys[i], batch.values[i]});
    return {};
}

template <class Key, class Value, class Row>
Result<void> read_rows(const bpf_map* map, Batch<Key, Value>& batch, std::vector<Row>& rows) {
    Position from;
    return read_rows(map, batch, rows, from, SIZE_MAX);
}

}  // namespace

void quiet_libbpf() {
    libbpf_set_print(log_libbpf);
}

struct KernelProbe::Impl {
    Skeleton skeleton;
    Mapped<vp_thread> threads;
    Mapped<vp_wait> waits;
    std::vector<Link> links;  // after the skeleton, so that they go first
    Link adopt;
    Link expire;
    Fd measuring;
    Batch<std::uint32_t, vp_vm> vms;
    Batch<std::uint32_t, vp_history> ended_waits;
    Batch<vp_culprit_key, vp_culprit> culprits;
    Position next_culprits;
    Batch<vp_block_key, vp_block> block;
    Batch<vp_exit_key, vp_exits> exits;
    Batch<std::uint32_t, vp_device> devices;

    [[nodiscard]] int fd(const bpf_map* map) const { return bpf_map__fd(map); }
};

KernelProbe::KernelProbe(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KernelProbe::KernelProbe(KernelProbe&&) noexcept = default;
KernelProbe& KernelProbe::operator=(KernelProbe&&) noexcept = default;
KernelProbe::~KernelProbe() = default;

Result<KernelProbe> KernelProbe::load(const ProgramPlan& plan, const PinDirectory* pins,
                                      std::uint32_t most_culprits) {
    auto impl = std::make_unique<Impl>();
    for (const bool second_try : {false, true}) {
        impl->skeleton.reset(virtpulse_bpf__open());
        if (!impl->skeleton) return system_error("cannot open the BPF object");
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, impl->skeleton->obj) {
            bpf_program__set_autoload(program, plan.loads(bpf_program__name(program)));
        }
        const int cpus = libbpf_num_possible_cpus();
        if (cpus < 0) return system_error("cannot tell how many CPUs there are", -cpus);
        bpf_map__set_max_entries(impl->skeleton->maps.cpus, static_cast<std::uint32_t>(cpus));
        bpf_map__set_max_entries(impl->skeleton->maps.culprits, most_culprits);
        impl->skeleton->rodata->queued_by_bio = plan.queued_by_bio();
        impl->skeleton->rodata->queued_is_seen = plan.queued_is_seen();
        bpf_map__set_autocreate(impl->skeleton->maps.vcpus, plan.loads("vp_kvm_entry"));
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, impl->skeleton->obj) {
            const bool transient = map == impl->skeleton->maps.thread_slots ||
                                   map == impl->skeleton->maps.cpus ||
                                   map == impl->skeleton->maps.vcpus || bpf_map__is_internal(map);
            if (!pins || transient) {
                continue;
            }
            const std::string path = pins->path() + "/" + bpf_map__name(map);
            if (const int error = bpf_map__set_pin_path(map, path.c_str())) {
                return system_error("cannot pin " + path, -error);
            }
        }
        const int error = virtpulse_bpf__load(impl->skeleton.get());
        if (error == 0) break;
        if (error != -EINVAL || !pins || second_try) {
            return system_error("the kernel refuses our BPF programs (--log-level debug says more)",
                                -error);
        }
        // Maps of another shape, pinned under this version by a build in between.
        std::error_code ignored;
        for (const auto& entry : std::filesystem::directory_iterator(pins->path(), ignored)) {
            std::filesystem::remove(entry.path(), ignored);
        }
    }
    auto threads = map_memory<vp_thread>(impl->skeleton->maps.threads);
    if (!threads) return threads.error();
    impl->threads = std::move(*threads);
    auto waits = map_memory<vp_wait>(impl->skeleton->maps.waits);
    if (!waits) return waits.error();
    impl->waits = std::move(*waits);
    return KernelProbe(std::move(impl));
}

Result<void> KernelProbe::attach() {
    const auto attach_one = [&](std::string_view name) -> Result<Link> {
        bpf_program* program =
            bpf_object__find_program_by_name(impl_->skeleton->obj, std::string(name).c_str());
        if (!program) return Error{"no program " + std::string(name)};
        bpf_iter_attach_opts options{};
        options.sz = sizeof options;
        bpf_iter_link_info info{};
        const bool over_requests = name == "vp_expire_requests";
        if (over_requests) {
            info.map.map_fd = static_cast<__u32>(impl_->fd(impl_->skeleton->maps.requests));
            options.link_info = &info;
            options.link_info_len = sizeof info;
        }
        bpf_link* link = over_requests ? bpf_program__attach_iter(program, &options)
                                       : bpf_program__attach(program);
        if (!link) return system_error("cannot attach " + std::string(name));
        return Link(link);
    };
    for (const auto& need : program_needs()) {
        bpf_program* program = bpf_object__find_program_by_name(impl_->skeleton->obj,
                                                                std::string(need.program).c_str());
        if (!program || !bpf_program__autoload(program)) continue;
        auto link = attach_one(need.program);
        if (!link) return link.error();
        if (need.program == "vp_adopt") {
            impl_->adopt = std::move(*link);
        } else if (need.program == "vp_expire_requests") {
            impl_->expire = std::move(*link);
        } else {
            impl_->links.push_back(std::move(*link));
        }
    }
    return {};
}

Result<void> KernelProbe::read_vms(std::vector<VmRow>& rows) {
    return read_rows(impl_->skeleton->maps.vms, impl_->vms, rows);
}

Result<void> KernelProbe::read_block(std::vector<BlockRow>& rows) {
    return read_rows(impl_->skeleton->maps.vm_block, impl_->block, rows);
}

Result<void> KernelProbe::read_devices(std::vector<DeviceRow>& rows) {
    return read_rows(impl_->skeleton->maps.devices, impl_->devices, rows);
}

Result<void> KernelProbe::read_ended_waits(std::vector<EndedWaitsRow>& rows) {
    return read_rows(impl_->skeleton->maps.ended_waits, impl_->ended_waits, rows);
}

Result<void> KernelProbe::read_exits(std::vector<ExitsRow>& rows) {
    return read_rows(impl_->skeleton->maps.vm_exits, impl_->exits, rows);
}

Result<void> KernelProbe::read_culprits(std::vector<CulpritRow>& rows) {
    return read_rows(impl_->skeleton->maps.culprits, impl_->culprits, rows);
}

Result<void> KernelProbe::read_next_culprits(std::vector<CulpritRow>& rows) {
    return read_rows(impl_->skeleton->maps.culprits, impl_->culprits, rows, impl_->next_culprits,
                     bpf_map__max_entries(impl_->skeleton->maps.culprits) / 8);
}

Result<vp_failures> KernelProbe::read_failures() {
    const std::uint32_t only = 0;
    vp_failures failures{};
    if (bpf_map_lookup_elem(impl_->fd(impl_->skeleton->maps.failures), &only, &failures) != 0) {
        return system_error("cannot read the map failures");
    }
    return failures;
}

Result<vp_agents> KernelProbe::agree(const vp_agents& if_none) {
    const int fd = impl_->fd(impl_->skeleton->maps.agents);
    const std::uint32_t only = 0;
    vp_agents agents{};
    if (bpf_map_lookup_elem(fd, &only, &agents) == 0 && agents.boot_to_epoch_ns != 0) return agents;
    if (bpf_map_update_elem(fd, &only, &if_none, BPF_ANY) != 0) {
        return system_error("cannot write the map agents");
    }
    return if_none;
}

std::span<vp_thread, VP_MAX_THREADS> KernelProbe::threads() const {
    return std::span<vp_thread, VP_MAX_THREADS>(impl_->threads.get(), VP_MAX_THREADS);
}
std::span<vp_wait, VP_MAX_THREADS> KernelProbe::waits() const {
    return std::span<vp_wait, VP_MAX_THREADS>(impl_->waits.get(), VP_MAX_THREADS);
}

Result<bool> KernelProbe::add_vm(std::uint32_t tgid, const vp_vm& vm) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &vm, BPF_NOEXIST) == 0) {
        return true;
    }
    if (errno == EEXIST) return false;
    return system_error("cannot add process " + std::to_string(tgid) + " to the map vms");
}

Result<void> KernelProbe::replace_vm(std::uint32_t tgid, const vp_vm& vm) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &vm, BPF_ANY) != 0) {
        return system_error("cannot write process " + std::to_string(tgid) + " to the map vms");
    }
    return {};
}

bool KernelProbe::has_vm(std::uint32_t tgid) const {
    vp_vm ignored{};
    return bpf_map_lookup_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid, &ignored) == 0;
}

// What is to be removed may be gone already: no error in these.
void KernelProbe::remove_vm(std::uint32_t tgid) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.vms), &tgid);
}
void KernelProbe::remove_ended_waits(std::uint32_t tgid) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.ended_waits), &tgid);
}
void KernelProbe::remove_culprit(const vp_culprit_key& key) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.culprits), &key);
}
std::optional<vp_culprit> KernelProbe::take_out_culprit(const vp_culprit_key& key) {
    vp_culprit culprit{};
    const int fd = impl_->fd(impl_->skeleton->maps.culprits);
    if (bpf_map_lookup_and_delete_elem(fd, &key, &culprit) != 0) return std::nullopt;
    return culprit;
}
void KernelProbe::remove_block(const vp_block_key& key) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.vm_block), &key);
}
void KernelProbe::remove_exits(const vp_exit_key& key) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.vm_exits), &key);
}
void KernelProbe::remove_cgroup(std::uint64_t cgroup_id) {
    bpf_map_delete_elem(impl_->fd(impl_->skeleton->maps.cgroups), &cgroup_id);
}

Result<void> KernelProbe::replace_ended_waits(const EndedWaitsRow& row) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.ended_waits), &row.tgid, &row.history,
                            BPF_ANY) != 0) {
        return system_error("cannot write the map ended_waits");
    }
    return {};
}

Result<void> KernelProbe::set_node(std::uint32_t cpu, std::uint32_t node) {
    vp_cpu fresh{};
    fresh.node = node;
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.cpus), &cpu, &fresh, BPF_ANY) != 0) {
        return system_error("cannot write CPU " + std::to_string(cpu) + " to the map cpus");
    }
    return {};
}

Result<void> KernelProbe::replace_block(const BlockRow& row) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.vm_block), &row.key, &row.block,
                            BPF_ANY) != 0) {
        return system_error("cannot write the map vm_block");
    }
    return {};
}

Result<void> KernelProbe::set_cgroup_owner(std::uint64_t cgroup_id, const vp_owner& owner) {
    if (bpf_map_update_elem(impl_->fd(impl_->skeleton->maps.cgroups), &cgroup_id, &owner,
                            BPF_ANY) != 0) {
        return system_error("cannot add a cgroup to the map cgroups");
    }
    return {};
}

void KernelProbe::clear_transient() {
    for (const bpf_map* map : {impl_->skeleton->maps.requests, impl_->skeleton->maps.cgroups}) {
        const int fd = impl_->fd(map);
        std::uint64_t key = 0;  // of both
        while (bpf_map_get_next_key(fd, nullptr, &key) == 0 && bpf_map_delete_elem(fd, &key) == 0) {
        }
    }
}

Result<void> KernelProbe::measure_programs() {
    impl_->measuring = Fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
    if (!impl_->measuring) return system_error("the kernel does not measure BPF programs");
    return {};
}

std::vector<wire::ProgramCost> KernelProbe::program_costs() {
    std::vector<wire::ProgramCost> costs;
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, impl_->skeleton->obj) {
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        const int fd = bpf_program__fd(program);
        if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) != 0) continue;
        costs.push_back({bpf_program__name(program), info.run_cnt, info.run_time_ns});
    }
    return costs;
}

std::uint64_t KernelProbe::room_of(std::string_view map) const {
    const bpf_map* found =
        bpf_object__find_map_by_name(impl_->skeleton->obj, std::string(map).c_str());
    return found ? bpf_map__max_entries(found) : 0;
}

Result<void> KernelProbe::adopt_threads() {
    return run_iterator(impl_->adopt.get(), "vp_adopt");
}

Result<void> KernelProbe::expire_requests() {
    if (!impl_->expire) return {};
    return run_iterator(impl_->expire.get(), "vp_expire_requests");
}

}  // namespace virtpulse::agent
