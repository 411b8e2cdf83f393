#include <catch2/catch.hpp>

#include "tests/unit/wire/samples.h"
#include "wire/exposition.h"

using namespace virtpulse::wire;

namespace {
std::string text_of(const Frame& frame, ExpositionFormat format = ExpositionFormat::prometheus) {
    Exposition text(format);
    std::vector<MetricDomain> domains;
    for (const auto& vm : frame.vms)
        domains.push_back({frame.host.name, &vm});
    const MetricHost host{&frame.host, frame.vms.size()};
    put_host_metrics(text, {&host, 1});
    put_domain_metrics(text, domains);
    return text.take();
}
bool holds(const std::string& text, std::string_view line) {
    return text.find("\n" + std::string(line) + "\n") != std::string::npos;
}

Frame one_vm() {
    Frame frame;
    frame.host.name = "h";
    frame.host.time = 5.5;
    frame.host.cpu = 25;
    auto& vm = frame.vms.emplace_back();
    vm.name = "web \"1\"";
    vm.uuid = "u";
    vm.ram = 2;
    vm.ext.emplace().cpu_ns = 1'500'000'000;
    return frame;
}
}  // namespace

TEST_CASE("figures become base units, and what is unknown has no line") {
    const auto text = text_of(one_vm());
    CHECK(holds(text, R"(virtpulse_host_cpu_ratio{host="h"} 0.25)"));
    CHECK(holds(text, R"(virtpulse_host_last_sample_timestamp_seconds{host="h"} 5.5)"));
    CHECK(text.find("virtpulse_host_memory_ratio{") == std::string::npos);
    const std::string labels = R"({domain="web \"1\"",host="h",uuid="u"} )";
    CHECK(holds(text, "libvirt_domain_info_cpu_time_seconds_total" + labels + "1.5"));
    CHECK(holds(text, "libvirt_domain_info_memory_usage_bytes" + labels + "2048"));
    CHECK(text.find("libvirt_domain_info_virtual_cpus{") == std::string::npos);
    CHECK(text.find("virtpulse_domain_block_read_bytes_total{") == std::string::npos);
}

TEST_CASE("what slows a VM: waits by what they are charged to, pressure by resource") {
    auto frame = one_vm();
    auto& ext = *frame.vms[0].ext;
    ext.wait.emplace().by_ns[1] = 2'500'000'000;  // quota
    ext.cgroup.emplace().throttled_ns = 3'000'000'000;
    ext.cgroup->pressure.emplace().io = Stall{1'500'000, 1};
    frame.host.ext.emplace().pressure.emplace().memory = Stall{250'000, 1};
    const auto text = text_of(frame);
    const std::string domain = R"(domain="web \"1\"",host="h")";
    CHECK(holds(text,
                "virtpulse_domain_wait_seconds_total{by=\"quota\"," + domain + ",uuid=\"u\"} 2.5"));
    CHECK(text.find(R"({by="vm")") == std::string::npos);
    CHECK(holds(text, "virtpulse_domain_throttled_seconds_total{" + domain + ",uuid=\"u\"} 3"));
    CHECK(holds(text, "virtpulse_domain_pressure_seconds_total{" + domain +
                          ",resource=\"io\",uuid=\"u\"} 1.5"));
    CHECK(text.find(R"(resource="cpu")") == std::string::npos);
    CHECK(holds(text, R"(virtpulse_host_pressure_seconds_total{host="h",resource="memory"} 0.25)"));
}

TEST_CASE("a device that is named twice makes one series") {
    auto frame = one_vm();
    auto& blocks = frame.vms[0].ext->block.emplace();
    blocks.resize(2);
    blocks[0].device = blocks[1].device = "vda";
    blocks[0].read_ops = 3;
    blocks[1].read_ops = 4;
    const auto text = text_of(frame);
    const std::string start = "virtpulse_domain_block_read_requests_total{";
    const auto first = text.find(start);
    REQUIRE(first != std::string::npos);
    CHECK(text.find(start, first + 1) == std::string::npos);
    CHECK(text.find(R"({device="vda",domain="web \"1\"",host="h",uuid="u"} 3)") !=
          std::string::npos);
}

TEST_CASE("OpenMetrics names a counter's family without _total, and has an end") {
    const auto text = text_of(one_vm(), ExpositionFormat::openmetrics);
    CHECK(holds(text, "# TYPE libvirt_domain_info_cpu_time_seconds counter"));
    CHECK(text.find("\nlibvirt_domain_info_cpu_time_seconds_total{") != std::string::npos);
    CHECK(text.ends_with("\n# EOF\n"));
    CHECK(text_of(one_vm()).find("# EOF") == std::string::npos);
}

TEST_CASE("OpenMetrics is for who names it") {
    CHECK(exposition_format("") == ExpositionFormat::prometheus);
    CHECK(exposition_format("text/html,*/*") == ExpositionFormat::prometheus);
    CHECK(exposition_format("application/openmetrics-text;version=1.0.0,*/*;q=0.1") ==
          ExpositionFormat::openmetrics);
}
