#include "userspace/compare/compare.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace virtpulse::agent;

namespace {
Comparison one_vm() {
    Comparison comparison;
    ComparedVm vm;
    vm.name = "a\xff";
    vm.ebpf_cpu = 50.0;
    vm.proc_cpu = 50.5;
    vm.proc_cpu_ns = 1'500;
    vm.ebpf_writes = 10.0;
    comparison.vms.push_back(vm);
    comparison.ebpf_cost_us = 200;
    comparison.libvirt_missing = "no answer for 4 s";
    return comparison;
}
}  // namespace

TEST_CASE("a comparison as a table says how far the others are off") {
    const auto text = comparison_as_table(one_vm());
    CHECK(text.find("50.00     50.50         —     +1.00         —") != std::string::npos);
    CHECK(text.find("no libvirt: no answer for 4 s") != std::string::npos);
}

TEST_CASE("a comparison as JSON has null for what a way does not know") {
    const auto document = nlohmann::json::parse(comparison_as_json(one_vm()));
    const auto& vm = document["vms"][0];
    CHECK(vm["cpu_percent"]["ebpf"] == 50.0);
    CHECK(vm["cpu_percent"]["libvirt"].is_null());
    CHECK(vm["cpu_ns"]["ebpf"].is_null());
    CHECK(vm["cpu_ns"]["proc"] == 1500);
    CHECK(vm["block_per_s"]["ebpf"]["writes"] == 10.0);
    CHECK(document["cost_us"]["ebpf"] == 200.0);
    CHECK(document["missing"]["libvirt"] == "no answer for 4 s");
}
