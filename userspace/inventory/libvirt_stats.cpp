#include "userspace/inventory/libvirt_stats.h"

#include "base/text.h"

namespace virtpulse::agent {
namespace {

constexpr std::size_t most_disks = 1024;  // of one domain; libvirt's own limit is near

std::optional<std::uint64_t>* block_counter(std::string_view field, wire::BlockCounters& block) {
    if (field == "rd.reqs") return &block.read_ops;
    if (field == "rd.bytes") return &block.read_bytes;
    if (field == "wr.reqs") return &block.write_ops;
    if (field == "wr.bytes") return &block.write_bytes;
    if (field == "fl.reqs") return &block.flush_ops;
    return nullptr;
}

void read_block(std::string_view field, const StatValue& value, LibvirtDomain& domain) {
    const auto index = parse_number<std::size_t>(take_until(field, '.'));
    if (!index || *index >= most_disks) return;
    if (domain.block.size() <= *index) domain.block.resize(*index + 1);
    auto& block = domain.block[*index];
    if (const auto* text = std::get_if<std::string_view>(&value)) {
        if (field == "name") block.device = *text;
    } else if (auto* counter = block_counter(field, block)) {
        *counter = std::get<std::uint64_t>(value);
    }
}

}  // namespace

void read_stat(std::string_view field, const StatValue& value, LibvirtDomain& domain) {
    constexpr std::string_view block = "block.";
    if (field.starts_with(block)) {
        read_block(field.substr(block.size()), value, domain);
        return;
    }
    const auto* number = std::get_if<std::uint64_t>(&value);
    if (number == nullptr) return;
    if (field == "state.state") {
        if (*number <= wire::highest_domain_state)
            domain.state = static_cast<wire::DomainState>(*number);
    } else if (field == "cpu.time") {
        domain.cpu_ns = *number;
    } else if (field == "balloon.current") {
        domain.ram_kib = *number;
    } else if (field == "balloon.maximum") {
        domain.max_ram_kib = *number;
    } else if (field == "vcpu.current") {
        domain.vcpus = *number;
    }
}

void finish_stats(LibvirtDomain& domain) {
    std::erase_if(domain.block, [](const auto& block) { return block.device.empty(); });
}

}  // namespace virtpulse::agent
