#include "userspace/inventory/libvirt_connection.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "userspace/inventory/libvirt_stats.h"
#include "userspace/proc/clock.h"

namespace virtpulse::agent {
namespace {

constexpr int keepalive_interval_s = 5;
constexpr unsigned keepalive_count = 3;
constexpr unsigned wanted_stats = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |
                                  VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_VCPU |
                                  VIR_DOMAIN_STATS_BLOCK;

std::optional<StatValue> value_of(const virTypedParameter& parameter) {
    switch (parameter.type) {
        case VIR_TYPED_PARAM_INT:
            if (parameter.value.i < 0) return std::nullopt;
            return static_cast<std::uint64_t>(parameter.value.i);
        case VIR_TYPED_PARAM_LLONG:
            if (parameter.value.l < 0) return std::nullopt;
            return static_cast<std::uint64_t>(parameter.value.l);
        case VIR_TYPED_PARAM_UINT:
            return std::uint64_t{parameter.value.ui};
        case VIR_TYPED_PARAM_ULLONG:
            return std::uint64_t{parameter.value.ul};
        case VIR_TYPED_PARAM_STRING:
            return std::string_view(parameter.value.s);
        default:
            return std::nullopt;
    }
}

int on_lifecycle(virConnectPtr, virDomainPtr, int event, int, void* opaque) {
    (*static_cast<LibvirtConnection::OnEvent*>(opaque))(event);
    return 0;
}

void free_on_event(void* opaque) {
    delete static_cast<LibvirtConnection::OnEvent*>(opaque);
}

struct FreeRecords {
    void operator()(virDomainStatsRecordPtr* records) const {
        virDomainStatsRecordListFree(records);
    }
};

}  // namespace

Error libvirt_error(const std::string& what) {
    std::string reason = virGetLastErrorMessage();
    std::ranges::replace(reason, '\n', ' ');
    return {what + ": " + reason};
}

Result<std::unique_ptr<LibvirtConnection>> LibvirtConnection::open(const std::string& uri,
                                                                   const OnEvent& on_event) {
    const auto handle = virConnectOpenReadOnly(uri.c_str());
    if (handle == nullptr) return libvirt_error("cannot connect to " + uri);
    std::unique_ptr<LibvirtConnection> connection(new LibvirtConnection(handle));
    // Not every driver can; a connection that dies unseen then shows by calls that do not return.
    virConnectSetKeepAlive(handle, keepalive_interval_s, keepalive_count);
    connection->listen(on_event);
    return connection;
}

void LibvirtConnection::listen(const OnEvent& on_event) {
    auto owned = std::make_unique<OnEvent>(on_event);
    // libvirt's own cast: it calls by the signature that the event's id stands for.
    callback_ = virConnectDomainEventRegisterAny(
        connection_, nullptr, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), owned.get(), free_on_event);
    // Without events the next interval brings the news.
    if (callback_ >= 0) static_cast<void>(owned.release());
}

LibvirtConnection::~LibvirtConnection() {
    if (callback_ >= 0) virConnectDomainEventDeregisterAny(connection_, callback_);
    virConnectClose(connection_);
}

Result<LibvirtSnapshot> LibvirtConnection::take_snapshot() {
    LibvirtSnapshot snapshot;
    snapshot.taken = std::chrono::steady_clock::now();
    snapshot.taken_since_boot = since_boot();
    virDomainStatsRecordPtr* list = nullptr;
    const auto ask = [&] {
        const unsigned flags =
            can_skip_waiting_ ? unsigned{VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT} : 0U;
        return virConnectGetAllDomainStats(connection_, wanted_stats, &list, flags);
    };
    auto count = ask();
    if (count < 0 && can_skip_waiting_ && virGetLastErrorCode() == VIR_ERR_INVALID_ARG) {
        can_skip_waiting_ = false;  // libvirt before 4.5, or a driver that never waits
        count = ask();
    }
    if (count < 0) return libvirt_error("cannot read statistics");
    const std::unique_ptr<virDomainStatsRecordPtr, FreeRecords> owner(list);
    for (const auto* record : std::span(list, static_cast<std::size_t>(count)))
        snapshot.domains.push_back(read(*record));
    // As they are told, so that who samples need not.
    std::ranges::sort(snapshot.domains, [](const LibvirtDomain& a, const LibvirtDomain& b) {
        return std::tie(a.name, a.uuid) < std::tie(b.name, b.uuid);
    });
    return snapshot;
}

LibvirtDomain LibvirtConnection::read(const virDomainStatsRecord& record) {
    LibvirtDomain domain;
    domain.name = virDomainGetName(record.dom);
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    virDomainGetUUIDString(record.dom, uuid);
    domain.uuid = uuid;
    for (const auto& parameter :
         std::span(record.params, static_cast<std::size_t>(record.nparams))) {
        if (const auto value = value_of(parameter)) read_stat(parameter.field, *value, domain);
    }
    finish_stats(domain);
    if (!domain.vcpus || !domain.ram_kib || !domain.max_ram_kib) complete(record.dom, domain);
    return domain;
}

void LibvirtConnection::complete(virDomainPtr handle, LibvirtDomain& domain) {
    auto known = sizes_.find(domain.uuid);
    if (known == sizes_.end()) {
        virDomainInfo info{};
        // Undefined meanwhile, as a rule; the next snapshot is without it.
        if (virDomainGetInfo(handle, &info) < 0) return;
        known =
            sizes_
                .emplace(domain.uuid, Sizes{std::uint64_t{info.nrVirtCpu},
                                            std::uint64_t{info.memory}, std::uint64_t{info.maxMem}})
                .first;
    }
    const auto fill = [](auto& absent, const auto& with) {
        if (!absent) absent = with;
    };
    fill(domain.vcpus, known->second.vcpus);
    fill(domain.ram_kib, known->second.ram_kib);
    fill(domain.max_ram_kib, known->second.max_ram_kib);
}

}  // namespace virtpulse::agent
