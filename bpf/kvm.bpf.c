// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How often and why vCPUs leave the guest, how long they are outside and inside, and what polling
 * for their wake-up costs. */
#include "bpf/rows.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* In kvm_main.c; kept by the kernel in the vCPU whether anybody looks or not. */
struct kvm_vcpu_stat_generic {
    __u64 halt_poll_success_ns;
    __u64 halt_poll_fail_ns;
    __u64 halt_wait_ns;
} KERNEL_TYPE; /* 5.14 - 6.18; halt_wait_ns since 5.16 */

struct kvm_vcpu_stat {
    struct kvm_vcpu_stat_generic generic;
} KERNEL_TYPE; /* 5.14 - 6.18 */

struct kvm_vcpu {
    struct kvm_vcpu_stat stat;
} KERNEL_TYPE;

/* The reason of an exit is in structs of the vendor's module, each of which begins with the
 * kvm_vcpu. */
struct vmcb_control_area {
    __u32 exit_code;
} KERNEL_TYPE; /* 6.1 - 6.18 */

struct vmcb {
    struct vmcb_control_area control;
} KERNEL_TYPE;

struct vcpu_svm {
    struct vmcb* vmcb;
} KERNEL_TYPE; /* 6.1 - 6.18 */

union vmx_exit_reason {
    __u32 full;
} KERNEL_TYPE;

struct vcpu_vmx {
    union vmx_exit_reason exit_reason;
} KERNEL_TYPE; /* up to 6.14 */

struct vcpu_vt {
    union vmx_exit_reason exit_reason;
} KERNEL_TYPE; /* since 6.15, which shares it with TDX */

struct vcpu_vmx___since_6_15 {
    struct vcpu_vt vt;
} KERNEL_TYPE;

static __always_inline __u16 reason_of(struct kvm_vcpu* vcpu, __u32 isa) {
    __u32 reason = VP_EXIT_UNKNOWN;
    if (isa == VP_ISA_SVM) {
        struct vcpu_svm* svm = (void*)vcpu;
        if (!bpf_core_field_exists(svm->vmcb)) return VP_EXIT_UNKNOWN;
        reason = BPF_CORE_READ(svm, vmcb, control.exit_code);
    } else if (isa == VP_ISA_VMX) {
        struct vcpu_vmx* vmx = (void*)vcpu;
        struct vcpu_vmx___since_6_15* newer = (void*)vcpu;
        if (bpf_core_field_exists(vmx->exit_reason)) {
            reason = BPF_CORE_READ(vmx, exit_reason.full);
        } else if (bpf_core_field_exists(newer->vt)) {
            reason = BPF_CORE_READ(newer, vt.exit_reason.full);
        } else {
            return VP_EXIT_UNKNOWN;
        }
        reason &= 0xffff; /* above are flags */
    }
    return reason < VP_EXIT_UNKNOWN ? reason : VP_EXIT_UNKNOWN;
}

/* The current thread's record here; NULL where it is no VM's thread. */
static __always_inline struct vp_vcpu* vcpu_of(struct task_struct* task) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    if (!slot) return 0;
    __u32 place = slot->place_plus_1 - 1;
    return bpf_map_lookup_elem(&vcpus, &place);
}

static __always_inline struct vp_exits* exits_of(struct task_struct* task,
                                                 const struct vp_vcpu* vcpu) {
    __u32 tgid = task->tgid;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm) return 0;
    struct vp_exit_key key = {
        .start_ns = vm->start_ns, .tgid = tgid, .isa = vcpu->isa, .reason = vcpu->reason};
    return row_of(vm_exits, &key, exits_full);
}

static __always_inline void count_exit(struct task_struct* task, struct vp_vcpu* vcpu,
                                       __u64 poll_ok_ns, __u64 poll_wasted_ns, __u64 wait_ns,
                                       __u64 now_ns) {
    struct vp_exits* exits = exits_of(task, vcpu);
    if (!exits) return;
    __sync_fetch_and_add(&exits->exits, 1);
    if (now_ns > vcpu->left_ns) __sync_fetch_and_add(&exits->outside_ns, now_ns - vcpu->left_ns);
    __sync_fetch_and_add(&exits->guest_ns, vcpu->guest_ns);
    /* All but a few exits are no halts. */
    __u64 polled_ns = poll_ok_ns - vcpu->poll_ok_ns + poll_wasted_ns - vcpu->poll_wasted_ns;
    if (polled_ns) {
        __sync_fetch_and_add(&exits->halt_poll_ns, polled_ns);
        __sync_fetch_and_add(&exits->halt_poll_wasted_ns, poll_wasted_ns - vcpu->poll_wasted_ns);
    }
    if (wait_ns > vcpu->wait_ns) {
        __sync_fetch_and_add(&exits->halt_wait_ns, wait_ns - vcpu->wait_ns);
    }
}

/* All of an exit is counted when the guest goes on: only then is known how long it took. The first
 * entry that is seen of a vCPU is the base. */
SEC("tp_btf/kvm_entry")
int BPF_PROG(vp_kvm_entry, struct kvm_vcpu* kvm) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct vp_vcpu* vcpu = vcpu_of(task);
    /* It never is NULL, but since 6.12 a module's tracepoint may say what it likes. */
    if (!vcpu || !kvm) return 0;
    __u64 now_ns = bpf_ktime_get_ns();
    __u64 poll_ok_ns = kvm->stat.generic.halt_poll_success_ns;
    __u64 poll_wasted_ns = kvm->stat.generic.halt_poll_fail_ns;
    __u64 wait_ns = kvm->stat.generic.halt_wait_ns;
    if (vcpu->tid == (__u32)task->pid && vcpu->left_ns && poll_ok_ns >= vcpu->poll_ok_ns &&
        poll_wasted_ns >= vcpu->poll_wasted_ns) {
        count_exit(task, vcpu, poll_ok_ns, poll_wasted_ns, wait_ns, now_ns);
    }
    vcpu->tid = task->pid;
    vcpu->entered_ns = now_ns;
    vcpu->left_ns = 0;
    vcpu->poll_ok_ns = poll_ok_ns;
    vcpu->poll_wasted_ns = poll_wasted_ns;
    vcpu->wait_ns = wait_ns;
    return 0;
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(vp_kvm_exit, struct kvm_vcpu* kvm, __u32 isa) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct vp_vcpu* vcpu = vcpu_of(task);
    if (!vcpu || !kvm || vcpu->tid != (__u32)task->pid || !vcpu->entered_ns) return 0;
    __u64 now_ns = bpf_ktime_get_ns();
    vcpu->isa = isa;
    vcpu->reason = reason_of(kvm, isa);
    vcpu->guest_ns = now_ns > vcpu->entered_ns ? now_ns - vcpu->entered_ns : 0;
    vcpu->left_ns = now_ns;
    vcpu->entered_ns = 0;
    return 0;
}
