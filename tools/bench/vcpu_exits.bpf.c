// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What bpf/kvm.bpf.c does at an exit and the entry after it, without KVM: for machines that have
 * none. What KVM's own structs are read for is read of the running task. */
#include "bpf/exits.h"

#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* As long as the reasons of a busy vCPU: most exits are for another one than the last. */
#define REASONS 5

struct pass {
    __u32 exits;
    __u32 is_empty; /* do nothing, as often */
};

static __always_inline void enter(struct task_struct* task) {
    if (!task->bpf_storage) return;
    struct vp_vcpu* vcpu = find_vcpu(task);
    if (!vcpu) vcpu = begin_vcpu(task);
    if (!vcpu) return;
    const struct vp_halts halts = {
        .poll_ok_ns = task->start_boottime,
        .poll_wasted_ns = task->start_boottime,
        .wait_ns = task->start_boottime,
    };
    enter_guest(vcpu, &halts, bpf_ktime_get_ns());
}

static __always_inline void leave(struct task_struct* task, __u32 reason) {
    if (!task->bpf_storage) return;
    struct vp_vcpu* vcpu = find_vcpu(task);
    if (!vcpu || !vcpu->entered_ns) return;
    const __u64 now_ns = bpf_ktime_get_ns();
    const __u32 read = BPF_CORE_READ(task, group_leader, tgid); /* as of vcpu_svm: by two steps */
    leave_guest(vcpu, VP_ISA_SVM, read ? reason : 0, now_ns);
}

static long one_exit(__u32 number, void* context) {
    leave(bpf_get_current_task_btf(), 0x60 + number % REASONS);
    enter(bpf_get_current_task_btf());
    return 0;
}

static long no_exit(__u32 number, void* context) {
    return bpf_get_current_task_btf() == 0;
}

/* Makes the running thread one of a VM, whose record is at `threads`[place]. */
SEC("syscall")
int mark_thread(__u32* place) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, bpf_get_current_task_btf(), 0,
                                                BPF_LOCAL_STORAGE_GET_F_CREATE);
    if (!slot) return 1;
    slot->place_plus_1 = *place + 1;
    enter(bpf_get_current_task_btf());
    return 0;
}

SEC("syscall")
int make_exits(struct pass* pass) {
    if (pass->is_empty) {
        bpf_loop(pass->exits, no_exit, 0, 0);
    } else {
        bpf_loop(pass->exits, one_exit, 0, 0);
    }
    return 0;
}
