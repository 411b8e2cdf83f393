#include "userspace/inventory/domain_list.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "userspace/inventory/derived_uuid.h"

namespace virtpulse::agent {
namespace {

using wire::DomainState;

constexpr std::size_t most_ends = 4096;

// libvirt sees the end of a qemu later than we may.
constexpr auto libvirt_lags_by = std::chrono::seconds(2);

bool is_active(DomainState state) {
    return state != DomainState::shut_off && state != DomainState::crashed;
}

// The start of a process is only known to a tick of the kernel's clock.
constexpr auto clock_tick = std::chrono::milliseconds(10);

bool is_younger(const QemuProcess& process, const LibvirtSnapshot& snapshot) {
    return std::chrono::nanoseconds(process.start_ns) > snapshot.taken_since_boot + clock_tick;
}

void set_from_libvirt(const LibvirtDomain& known, Domain& domain) {
    domain.name = known.name;
    domain.uuid = known.uuid;
    domain.state = known.state;
    domain.vcpus = known.vcpus;
    domain.ram_kib = known.ram_kib;
    domain.max_ram_kib = known.max_ram_kib;
    domain.libvirt_cpu_ns = known.cpu_ns;
    domain.libvirt_block = known.block;
}

void drop_figures(Domain& domain) {
    domain.libvirt_cpu_ns.reset();
    domain.libvirt_block = {};
}

void set_process(const QemuProcess& process, Domain& domain) {
    domain.process = process.key;
    domain.start_ns = process.start_ns;
    domain.rss_bytes = process.rss_bytes;
    domain.major_faults = process.major_faults;
    if (!domain.vcpus) domain.vcpus = process.guest.vcpus;
    if (!domain.ram_kib) domain.ram_kib = process.guest.memory_kib;
    if (!domain.max_ram_kib) domain.max_ram_kib = process.guest.max_memory_kib;
}

// A process, in a list by uuid.
struct Unclaimed {
    std::string_view uuid;
    const QemuProcess* process;  // null: it is a domain's
};

// The process of `domain` among those with its uuid, which are not many; null where none is left.
const QemuProcess* claim(std::vector<Unclaimed>& by_uuid, const LibvirtDomain& domain) {
    const auto rank = [&](const QemuProcess* process) {
        return std::tuple(process->guest.name != domain.name, process->start_ns, process->key.pid);
    };
    const std::string_view uuid = domain.uuid;
    Unclaimed* best = nullptr;
    for (auto it = std::ranges::lower_bound(by_uuid, uuid, {}, &Unclaimed::uuid);
         it != by_uuid.end() && it->uuid == uuid; ++it) {
        if (it->process == nullptr) continue;
        if (best == nullptr || rank(it->process) < rank(best->process)) best = &*it;
    }
    return best != nullptr ? std::exchange(best->process, nullptr) : nullptr;
}

}  // namespace

// As new, but for the memory of its texts, which the domain has that was there at the last call.
Domain& DomainList::next() {
    if (count_ == domains_.size()) domains_.emplace_back();
    Domain& domain = domains_[count_++];
    Domain fresh;
    fresh.name.swap(domain.name);
    fresh.uuid.swap(domain.uuid);
    return domain = std::move(fresh);
}

const std::vector<Domain>& DomainList::merge(std::span<const QemuProcess> processes,
                                             const LibvirtSnapshot* snapshot,
                                             std::chrono::nanoseconds now) {
    note_ends(processes, snapshot, now);
    std::vector<Unclaimed> by_uuid;
    by_uuid.reserve(processes.size());
    for (const auto place : by_uuid_)
        by_uuid.push_back({processes[place].guest.uuid, &processes[place]});

    count_ = 0;
    if (snapshot != nullptr) {
        for (const auto& known : snapshot->domains) {
            auto& domain = next();
            set_from_libvirt(known, domain);
            const auto* process = claim(by_uuid, known);
            if (process == nullptr) {
                if (is_active(known.state) && has_ended(known.uuid, *snapshot))
                    domain.state = DomainState::shut_off;
                if (!is_active(domain.state)) drop_figures(domain);
                continue;
            }
            set_process(*process, domain);
            const bool is_of_another_run = is_younger(*process, *snapshot);
            if (is_of_another_run) drop_figures(domain);
            if (is_of_another_run || known.state == DomainState::shut_off)
                domain.state = DomainState::running;
        }
    }
    for (const auto& [uuid, process] : by_uuid) {
        if (process != nullptr) set_from_process(*process, next());
    }
    domains_.resize(count_);
    const auto is_before = [](const Domain& a, const Domain& b) {
        return std::tie(a.name, a.uuid, a.process) < std::tie(b.name, b.uuid, b.process);
    };
    // Where libvirt knows all of them they are.
    if (!std::ranges::is_sorted(domains_, is_before)) std::ranges::sort(domains_, is_before);
    return domains_;
}

bool DomainList::are_living(std::span<const QemuProcess> processes) const {
    return std::ranges::equal(processes, living_, {}, &QemuProcess::key, &Living::process);
}

void DomainList::note_living(std::span<const QemuProcess> processes, std::chrono::nanoseconds now) {
    std::set<ProcessKey> living;
    for (const auto& process : processes)
        living.insert(process.key);
    for (const auto& [process, uuid] : living_) {
        if (!uuid.empty() && !living.contains(process)) ended_[uuid] = now;
    }
    living_.clear();
    by_uuid_.clear();
    for (const auto& process : processes) {
        by_uuid_.push_back(living_.size());
        living_.push_back({process.key, process.guest.uuid});
    }
    std::ranges::sort(by_uuid_, {}, [this](std::size_t place) -> const std::string& {
        return living_[place].uuid;
    });
}

void DomainList::note_ends(std::span<const QemuProcess> processes, const LibvirtSnapshot* snapshot,
                           std::chrono::nanoseconds now) {
    if (!are_living(processes)) note_living(processes, now);
    if (snapshot == nullptr) {
        ended_.clear();
        return;
    }
    // What libvirt said later counts.
    std::erase_if(ended_, [&](const auto& end) {
        return snapshot->taken_since_boot > end.second + libvirt_lags_by;
    });
    // While libvirt is silent any number may end.
    while (ended_.size() > most_ends) {
        const auto when = [](const auto& end) { return end.second; };
        ended_.erase(std::ranges::min_element(ended_, {}, when));
    }
}

bool DomainList::has_ended(const std::string& uuid, const LibvirtSnapshot& snapshot) const {
    const auto end = ended_.find(uuid);
    return end != ended_.end() && snapshot.taken_since_boot <= end->second + libvirt_lags_by;
}

void DomainList::set_from_process(const QemuProcess& process, Domain& domain) const {
    domain.name =
        process.guest.name.empty() ? "qemu-" + std::to_string(process.key.pid) : process.guest.name;
    domain.uuid = process.guest.uuid.empty()
                      ? derive_uuid(machine_id_, process.guest.name, process.key)
                      : process.guest.uuid;
    domain.state = DomainState::running;
    set_process(process, domain);
}

}  // namespace virtpulse::agent
