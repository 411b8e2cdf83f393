/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a thread's record ends, and a VM's row. */
#ifndef VIRTPULSE_BPF_RETIRE_H
#define VIRTPULSE_BPF_RETIRE_H

#include "bpf/pairs.h"

static __always_inline void add_history(struct vp_history* to, const struct vp_history* from) {
    for (int i = 0; i < VP_WAIT_BUCKETS; ++i) {
        if (from->counts[i]) __sync_fetch_and_add(&to->counts[i], from->counts[i]);
    }
    for (int i = 0; i < VP_BYS; ++i) {
        if (!from->by[i].waits) continue;
        __sync_fetch_and_add(&to->by[i].ns, from->by[i].ns);
        __sync_fetch_and_add(&to->by[i].waits, from->by[i].waits);
    }
    __sync_fetch_and_add(&to->merged, from->merged);
    __sync_fetch_and_add(&to->moves, from->moves);
    __sync_fetch_and_add(&to->node_moves, from->node_moves);
    __sync_fetch_and_add(&to->phantom_ns, from->phantom_ns);
}

/* Whether two moments fall into the same clock tick: the start of one process, see VP_TICK_NS. */
static __always_inline bool is_same_start(__u64 a_ns, __u64 b_ns) {
    return a_ns / VP_TICK_NS == b_ns / VP_TICK_NS;
}

static __always_inline struct vp_unconfirmed* unconfirmed_counts(void) {
    __u32 only = 0;
    return bpf_map_lookup_elem(&unconfirmed, &only);
}

static __always_inline void count_unconfirmed(int more_vms, int more_threads) {
    struct vp_unconfirmed* counts = unconfirmed_counts();
    if (!counts) return;
    if (more_vms) __sync_fetch_and_add(&counts->vms, more_vms);
    if (more_threads) __sync_fetch_and_add(&counts->threads, more_threads);
}

/* Removes a VM's row. What other maps have of it is removed by the agent. */
static __always_inline void forget_vm(__u32 tgid, const struct vp_vm* vm) {
    const bool was_confirmed = vm->confirmed;
    const int threads_left = vm->threads;
    if (bpf_map_delete_elem(&vms, &tgid)) return; /* by somebody else */
    if (!was_confirmed) count_unconfirmed(-1, -threads_left);
    bpf_map_delete_elem(&ended_waits, &tgid);
}

/* The thread `tid` has ended: its record becomes free, and what it used in its life goes to its VM.
 * In this order, and with an agent that reads `vms` first, a sample counts the thread once or not
 * at all, which the next one makes good, and never twice.
 *
 * Nothing happens where the record is another thread's by now: the thread's own last switch, an
 * adopter that came too late and the agent may all retire the same record, and one of them does. */
static __noinline int retire(struct vp_thread* thread, struct vp_wait* wait, __u32 tid) {
    /* An exchange, so that neither compiler nor CPU moves it behind what follows. */
    if (__sync_val_compare_and_swap(&thread->tid, tid, VP_TID_CLAIMED) != tid) return 0;
    __u32 tgid = thread->tgid;
    const __u32 role = thread->role;
    const __u64 run_ns = thread->run_ns;
    const __u64 run_delay_ns = thread->run_delay_ns;
    const __u64 switches = thread->switches;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    /* A thread cannot be older than its process: then the row is of another one with that tgid. */
    const bool is_its_vm = vm && thread->start_ns / VP_TICK_NS >= vm->start_ns / VP_TICK_NS;
    if (is_its_vm) {
        flush_pending(tgid, &wait->pending);
        struct vp_history* ended = row_of(ended_waits, &tgid, waits_full);
        if (ended) add_history(ended, &wait->all);
    }
    __sync_lock_test_and_set(&thread->tid, 0);
    if (!is_its_vm) return 0;
    vm = bpf_map_lookup_elem(&vms, &tgid); /* the place of a row that went is used again at once */
    if (!vm) return 0;
    __sync_fetch_and_add(&vm->ended_run_ns, run_ns);
    __sync_fetch_and_add(&vm->ended_run_delay_ns, run_delay_ns);
    __sync_fetch_and_add(&vm->ended_switches, switches);
    if (role < VP_ROLES) __sync_fetch_and_add(&vm->ended_role_ns[role], run_ns);
    if (!vm->confirmed) count_unconfirmed(0, -1);
    if (__sync_fetch_and_add(&vm->threads, -1) != 1) return 0;
    vm->ended_ns = bpf_ktime_get_boot_ns();
    if (!vm->confirmed) forget_vm(tgid, vm); /* no sample has it */
    return 0;
}

#endif
