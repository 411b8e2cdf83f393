// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs that do nothing, where ours do something: what they cost, anybody's cost there. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sched_switch")
int empty_switch(void* ctx) {
    return 0;
}

SEC("tp_btf/block_rq_issue")
int empty_rq_issue(void* ctx) {
    return 0;
}
