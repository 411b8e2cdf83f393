/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts the exits of a vCPU in a record of its own, which its thread alone writes: no atomics, no
 * look-up in a hash map, no cache line that two vCPUs write. */
#ifndef VIRTPULSE_BPF_EXITS_H
#define VIRTPULSE_BPF_EXITS_H

#include "bpf/maps.h"

/* What the kernel has counted for a vCPU since it was made. */
struct vp_halts {
    __u64 poll_ok_ns;
    __u64 poll_wasted_ns;
    __u64 wait_ns;
};

/* How many records have been begun: the agent then looks where. */
__u64 vcpus_begun __weak;

/* The record of the running thread; NULL where it has none. A record that a dead thread with the
 * same tid left is taken for its own only within one process, whose figures it then is among. */
static __always_inline struct vp_vcpu* find_vcpu(const struct task_struct* task) {
    const __u32 tid = task->pid;
    const __u32 first = vp_vcpu_place(tid);
    for (int i = 0; i < VP_VCPU_PROBES; ++i) {
        __u32 place = (first + i) & (VP_MAX_VCPUS - 1);
        struct vp_vcpu* vcpu = bpf_map_lookup_elem(&vcpus, &place);
        if (vcpu && vcpu->tid == tid && vcpu->tgid == (__u32)task->tgid) return vcpu;
    }
    return 0;
}

/* Takes a free place for the running thread; NULL where it is no VM's thread or there is none. */
static __noinline struct vp_vcpu* begin_vcpu(struct task_struct* task) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    if (!slot || slot->no_vcpu || !thread_record(slot, task->pid)) return 0;
    __u32 tgid = task->tgid;
    const struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm) return 0;
    const __u32 first = vp_vcpu_place(task->pid);
    for (int i = 0; i < VP_VCPU_PROBES; ++i) {
        __u32 place = (first + i) & (VP_MAX_VCPUS - 1);
        struct vp_vcpu* vcpu = bpf_map_lookup_elem(&vcpus, &place);
        if (!vcpu || __sync_val_compare_and_swap(&vcpu->tid, 0, VP_TID_CLAIMED) != 0) continue;
        __builtin_memset(&vcpu->tgid, 0, sizeof(*vcpu) - sizeof(vcpu->tid));
        vcpu->tgid = tgid;
        vcpu->start_ns = vm->start_ns;
        vcpu->reasons[VP_EXIT_SLOTS - 1] = VP_EXIT_OTHER + 1;
        __sync_lock_test_and_set(&vcpu->tid,
                                 task->pid); /* the agent looks at all of it from here */
        __sync_fetch_and_add(&vcpus_begun, 1);
        return vcpu;
    }
    slot->no_vcpu = 1; /* so that it is counted once, and not at each exit */
    count_failure(vcpus_full);
    return 0;
}

static __always_inline __u32 exit_slot(struct vp_vcpu* vcpu, __u32 reason) {
    const __u16 key = reason + 1;
    const __u32 last = vcpu->slot % VP_EXIT_SLOTS;
    if (vcpu->reasons[last] == key) return last;
    for (int i = 0; i < VP_EXIT_PROBES; ++i) {
        const __u32 slot = (reason + i) % VP_EXIT_SLOTS;
        if (!vcpu->reasons[slot]) vcpu->reasons[slot] = key;
        if (vcpu->reasons[slot] == key) return slot;
    }
    return VP_EXIT_SLOTS - 1;
}

/* `reason` is below VP_EXIT_OTHER, or VP_EXIT_UNKNOWN. Only after enter_guest(). */
static __always_inline void leave_guest(struct vp_vcpu* vcpu, __u32 isa, __u32 reason,
                                        __u64 now_ns) {
    const __u64 entered_ns = vcpu->entered_ns;
    const __u32 slot = exit_slot(vcpu, reason);
    vcpu->isa = isa;
    vcpu->slot = slot;
    vcpu->entered_ns = 0;
    vcpu->left_ns = now_ns;
    if (now_ns > entered_ns) vcpu->guest_ns += now_ns - entered_ns;
    ++vcpu->by_reason[slot].exits;
}

/* The first entry that is seen of a vCPU is the base of its halts. Where they are less than before
 * the thread runs another vCPU: likewise. */
static __always_inline void note_halts(struct vp_vcpu* vcpu, const struct vp_halts* halts,
                                       bool is_first) {
    if (!is_first && halts->poll_ok_ns >= vcpu->poll_ok_seen_ns &&
        halts->poll_wasted_ns >= vcpu->poll_wasted_seen_ns &&
        halts->wait_ns >= vcpu->wait_seen_ns) {
        const __u64 wasted_ns = halts->poll_wasted_ns - vcpu->poll_wasted_seen_ns;
        vcpu->halt_poll_ns += halts->poll_ok_ns - vcpu->poll_ok_seen_ns + wasted_ns;
        vcpu->halt_poll_wasted_ns += wasted_ns;
        vcpu->halt_wait_ns += halts->wait_ns - vcpu->wait_seen_ns;
    }
    vcpu->poll_ok_seen_ns = halts->poll_ok_ns;
    vcpu->poll_wasted_seen_ns = halts->poll_wasted_ns;
    vcpu->wait_seen_ns = halts->wait_ns;
}

static __always_inline void enter_guest(struct vp_vcpu* vcpu, const struct vp_halts* halts,
                                        __u64 now_ns) {
    const __u64 left_ns = vcpu->left_ns;
    vcpu->entered_ns = now_ns;
    vcpu->left_ns = 0;
    if (left_ns && now_ns > left_ns) {
        vcpu->by_reason[vcpu->slot % VP_EXIT_SLOTS].outside_ns += now_ns - left_ns;
    }
    const __u64 halts_ns = halts->poll_ok_ns + halts->poll_wasted_ns + halts->wait_ns;
    if (left_ns && halts_ns == vcpu->halts_seen_ns) return; /* as at most exits */
    vcpu->halts_seen_ns = halts_ns;
    note_halts(vcpu, halts, !left_ns);
}

#endif
