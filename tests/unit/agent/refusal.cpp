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
                         "", EACCES) == "R1 invalid mem access 'scalar'");
    CHECK(refusal_reason("failed to resolve CO-RE relocation <byte_off> [26] struct "
                         "task_struct.on_rq (0:9 @ offset 64)\n"
                         "processed 7 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
                         "peak_states 0 mark_read 0\n\n",
                         "", EINVAL) ==
          "failed to resolve CO-RE relocation <byte_off> [26] struct task_struct.on_rq (0:9 @ "
          "offset 64)");
}

TEST_CASE("what the verifier explains behind its reason is not the reason") {
    CHECK(refusal_reason("0: R1=ctx() R10=fp0\n"
                         "0: (95) exit\n"
                         "R0 !read_ok\n"
                         "\n"
                         "Verification failed: Register Type Safety: Unreadable register\n"
                         "\n"
                         "Suggestion:\n"
                         "  Initialize R0 on every path before this instruction.\n"
                         "\n"
                         "processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0\n",
                         "", EACCES) == "R0 !read_ok");
}

TEST_CASE("where the verifier says nothing, the reason is libbpf's, or what the errno means") {
    CHECK(refusal_reason("", "", EPERM) == "Operation not permitted");
    CHECK(refusal_reason("processed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0 "
                         "peak_states 0 mark_read 0\n",
                         "BPF program load failed: Operation not permitted",
                         EPERM) == "Operation not permitted");
    CHECK(refusal_reason("", "failed to find kernel BTF type ID of 'md_end_flush': -3", ESRCH) ==
          "failed to find kernel BTF type ID of 'md_end_flush': -3");
    // As kernels without trampolines say it.
    CHECK(refusal_reason("", "", 524) == "not supported by this kernel");
    CHECK(errno_text(EOPNOTSUPP) == "Operation not supported");
}

TEST_CASE("a reason is one short line of printable characters") {
    const auto reason = refusal_reason(std::string(300, 'x') + "\n", "", EINVAL);
    CHECK(reason == std::string(longest_reason, 'x'));
    CHECK(refusal_reason("a\tb\x1b[1m \xff c\n", "", EINVAL) == "a b [1m   c");
}

TEST_CASE("of libbpf's warnings those about the last program that is named count") {
    LibbpfWarnings warnings;
    warnings.note("libbpf: prog 'vp_rq_issue': relo #3: insn #3 accesses field incorrectly\n");
    warnings.note("libbpf: prog 'vp_sched_switch': BPF program load failed: Invalid argument\n");
    warnings.note("libbpf: prog 'vp_sched_switch': failed to load: -22\n");
    warnings.note("libbpf: failed to load object 'virtpulse_bpf'\n");
    CHECK(warnings.program() == "vp_sched_switch");
    CHECK(warnings.message() == "BPF program load failed: Invalid argument");
}

TEST_CASE("a map that cannot be created is named, and no program that was warned of before") {
    LibbpfWarnings warnings;
    warnings.note("libbpf: prog 'vp_rq_issue': relo #3: insn #3 accesses field incorrectly\n");
    warnings.note(
        "libbpf: Error in bpf_create_map_xattr(cpus):Cannot allocate memory(-12). "
        "Retrying without BTF.\n");
    warnings.note("libbpf: map 'cpus': failed to create: Cannot allocate memory(-12)\n");
    warnings.note("libbpf: failed to load object 'virtpulse_bpf'\n");
    CHECK(warnings.program().empty());
    CHECK(warnings.message() == "map 'cpus': failed to create: Cannot allocate memory(-12)");
}

TEST_CASE("where no warning names a program or map, the first one counts") {
    LibbpfWarnings warnings;
    warnings.note("libbpf: failed to find valid kernel BTF\n");
    warnings.note("libbpf: failed to load object 'virtpulse_bpf'\n");
    CHECK(warnings.program().empty());
    CHECK(warnings.message() == "failed to find valid kernel BTF");
}
