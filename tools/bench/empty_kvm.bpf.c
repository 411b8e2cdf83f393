// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Programs that do nothing at an exit of a KVM guest and at the entry after it. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/kvm_entry")
int empty_entry(void* ctx) {
    return 0;
}

SEC("tp_btf/kvm_exit")
int empty_exit(void* ctx) {
    return 0;
}
