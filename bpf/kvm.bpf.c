// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How often and why vCPUs leave the guest, how long they are outside and inside, and what polling
 * for their wake-up costs. */
#include "bpf/exits.h"

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

static __always_inline __u32 reason_of(struct kvm_vcpu* vcpu, __u32 isa) {
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
    return reason < VP_EXIT_OTHER ? reason : VP_EXIT_UNKNOWN;
}

SEC("tp_btf/kvm_entry")
int BPF_PROG(vp_kvm_entry, struct kvm_vcpu* kvm) {
    struct task_struct* task = bpf_get_current_task_btf();
    /* It never is NULL, but since 6.12 a module's tracepoint may say what it likes. */
    if (!kvm || !task->bpf_storage) return 0;
    struct vp_vcpu* vcpu = find_vcpu(task);
    if (!vcpu) vcpu = begin_vcpu(task);
    if (!vcpu) return 0;
    const struct vp_halts halts = {
        .poll_ok_ns = kvm->stat.generic.halt_poll_success_ns,
        .poll_wasted_ns = kvm->stat.generic.halt_poll_fail_ns,
        .wait_ns = kvm->stat.generic.halt_wait_ns,
    };
    enter_guest(vcpu, &halts, bpf_ktime_get_ns());
    return 0;
}

SEC("tp_btf/kvm_exit")
int BPF_PROG(vp_kvm_exit, struct kvm_vcpu* kvm, __u32 isa) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!kvm || !task->bpf_storage) return 0;
    struct vp_vcpu* vcpu = find_vcpu(task);
    if (!vcpu || !vcpu->entered_ns) return 0;
    const __u64 now_ns = bpf_ktime_get_ns();
    leave_guest(vcpu, isa, reason_of(kvm, isa), now_ns);
    return 0;
}
