#include "userspace/probe/refusal.h"

#include <catch2/catch.hpp>

#include <cerrno>

using namespace virtpulse::agent;

TEST_CASE("the verifier's reason is its last line that is none of its statistics") {
    CHECK(refusal_reason("0: R1=ctx(off=0,imm=0) R10=fp0\n"
                         "0: (79) r6 = *(u64 *)(r1 +8)\n"
                         "func 'sched_switch' arg1 has btf_id 17 type STRUCT 'task_struct'\n"
                         "R1 invalid mem access 'scalar'\n"
                         "verification time 41 usec\n"
                         "stack depth 0\n"
                         "processed 12 insns (limit 1000000) max_states_per_insn 0 total_states 1 "
                         "peak_states 1 mark_read 1\n",
                         EACCES) == "R1 invalid mem access 'scalar'");
    CHECK(refusal_reason("failed to resolve CO-RE relocation <byte_off> [26] struct "
                         "task_struct.on_rq (0:9 @ offset 64)\n"
                         "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
                         "peak_states 0 mark_read 0\n\n",
                         EINVAL) ==
          "failed to resolve CO-RE relocation <byte_off> [26] struct task_struct.on_rq (0:9 @ "
          "offset 64)");
}

TEST_CASE("where the verifier says nothing, the reason is what the errno means") {
    CHECK(refusal_reason("", EPERM) == "Operation not permitted");
    CHECK(refusal_reason("processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
                         "peak_states 0 mark_read 0\n",
                         EPERM) == "Operation not permitted");
}

TEST_CASE("a reason is one short line of printable characters") {
    const auto reason = refusal_reason(std::string(300, 'x') + "\n", EINVAL);
    CHECK(reason == std::string(200, 'x'));
    CHECK(refusal_reason("a\tb\x1b[1m \xff c\n", EINVAL) == "a b [1m   c");
}

TEST_CASE("a message of libbpf names its program, or none") {
    CHECK(program_named("libbpf: prog 'vp_adopt': BPF program load failed: Operation not "
                        "permitted\n") == "vp_adopt");
    CHECK(program_named("libbpf: map 'waits': failed to create: Cannot allocate memory\n").empty());
    CHECK(program_named("prog 'vp_").empty());
}

TEST_CASE("of libbpf's warnings the last that names a program or a map counts") {
    LibbpfWarnings programs;
    programs.note("libbpf: prog 'vp_rq_issue': insn #3 accesses field incorrectly\n");
    programs.note("libbpf: prog 'vp_sched_switch': BPF program load failed: Invalid argument\n");
    programs.note("libbpf: failed to load object 'virtpulse_bpf'\n");
    CHECK(programs.program() == "vp_sched_switch");
    CHECK(programs.message() ==
          "prog 'vp_sched_switch': BPF program load failed: Invalid argument");

    LibbpfWarnings maps;
    maps.note(
        "libbpf: Error in bpf_create_map_xattr(cpus):Cannot allocate memory(-12). Retrying "
        "without BTF.\n");
    CHECK(maps.message().starts_with("Error in"));
    maps.note("libbpf: map 'cpus': failed to create: Cannot allocate memory(-12)\n");
    maps.note("libbpf: failed to load object 'virtpulse_bpf'\n");
    CHECK(maps.program().empty());
    CHECK(maps.message() == "map 'cpus': failed to create: Cannot allocate memory(-12)");
}
