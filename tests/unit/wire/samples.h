// Frames that the tests of the wire share.
#pragma once

#include <string>
#include <string_view>

#include "wire/frame.h"

namespace virtpulse::wire {

// The worked example of the thesis, without its sequence number.
inline constexpr std::string_view thesis_frame =
    R"({"cputemp":37.0,"mbtemp":36.0,"ram":17.27959612522188,"vms":[{"maxram":1048576,)"
    R"("name":"1-Fedora-14-64bits","ram":1048576,"state":5,"cpu":0.0,)"
    R"("uuid":"87c63557-2a88-d1ee-b38b-9d7211f0256d"},{"maxram":1048576,)"
    R"("name":"2-Fedora-14-64bits","ram":1048576,"state":5,"cpu":0.0,)"
    R"("uuid":"6cdbd6d2-266d-c568-bc78-7aaab689c0e5"}],"time":1308674056.734489,"disk":0.0,)"
    R"("cpu":5.350496117327408,"name":"Fedora14"})";

inline Vm make_vm(int i) {
    Vm vm;
    vm.name = "guest" + std::to_string(i);
    vm.uuid = "00000000-0000-4000-8000-" + std::to_string(100000000000 + i);
    vm.state = DomainState::running;
    vm.cpu = 12.5;
    vm.ram = 131072;
    vm.maxram = 262144;
    vm.ext.emplace();
    vm.ext->pid = static_cast<std::uint64_t>(1000 + i);
    vm.ext->start = 123456789000000;
    vm.ext->since = 1763720000000000000;
    vm.ext->vcpus = 2;
    vm.ext->cpu_ns = 1234567890123;
    vm.ext->run_delay_ns = 0;
    vm.ext->switches = 42;
    BlockCounters block;
    block.device = "vda";
    block.under = "loop1";
    block.read_ops = 7;
    block.read_bytes = 28672;
    block.busy_ns = 99;
    block.read_queue_ns = 1;
    block.read_device_ns = 2;
    block.write_queue_ns = 3;
    block.write_device_ns = 4;
    block.flush_ns = 5;
    block.discard_ns = 6;
    block.untimed_ops = 7;
    block.read_latency = {0, 5, 2};
    block.write_latency = {9};
    block.read_p50_ns = 8;
    block.read_p99_ns = 9;
    block.write_p50_ns = 10;
    block.write_p99_ns = 11;
    block.ahead_ns = 12;
    block.ahead = {{"host", 7}, {"00000000-0000-4000-8000-000000000001", 5}};
    vm.ext->block = {{block}};
    vm.ext->kvm = KvmCounters{1, 2, 3, 4, 5, 6, {{"hlt", 7, 8}, {"npf", 9, 10}}};
    vm.ext->major_faults = 13;
    vm.ext->smt_shared_vcpus_sampled = 1;
    vm.ext->vcpu = {{0, 5, 6, 7, 8}, {2, 9, 10, {}, {}}};
    vm.ext->cgroup = CgroupExt{1500, 20, 3, 4000, PressureExt{Stall{5, 6}, {}, Stall{7, 0}}};
    return vm;
}

inline Frame make_sample(std::uint64_t sample, int vms) {
    Frame frame;
    frame.host.name = "hyper1";
    frame.host.time = 1763720000.25 + static_cast<double>(sample);
    frame.host.cpu = 1.5;
    frame.host.ram = 17.25;
    frame.host.disk = 0.0;
    frame.host.ext.emplace();
    frame.host.ext->id = "0123456789abcdef0123456789abcdef";
    frame.host.ext->boot = 1763719999000000000;
    frame.host.ext->interval_ms = 1000;
    frame.host.ext->source = "ebpf";
    frame.host.ext->sample = sample;
    frame.host.ext->missing = {{"libvirt", "no answer for 12 s"}};
    frame.host.ext->cpus = 2;
    frame.host.ext->pressure = PressureExt{Stall{1, {}}, Stall{2, 3}, Stall{4, 5}};
    frame.host.ext->ksm = KsmExt{1, 4096, 8192};
    frame.host.ext->self.emplace();
    frame.host.ext->self->cpu_ns = 5;
    for (int i = 0; i < vms; ++i)
        frame.vms.push_back(make_vm(i));
    return frame;
}

}  // namespace virtpulse::wire
