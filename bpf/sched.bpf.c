// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who ran, and how long each VM's threads waited to. */
#include "bpf/maps.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The thread has ended: its record is free, and what it used in its life goes to its VM. In this
 * order, and with an agent that reads `vms` first, a sample counts the thread once or not at all,
 * which the next one makes good, and never twice. */
static __always_inline void retire(struct vp_thread* thread) {
    __u32 tgid = thread->tgid;
    __u64 run_ns = thread->run_ns;
    __u64 run_delay_ns = thread->run_delay_ns;
    __u64 switches = thread->switches;
    /* An exchange, so that neither compiler nor CPU moves it behind what follows. */
    __sync_lock_test_and_set(&thread->tid, 0);
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm) return;
    __sync_fetch_and_add(&vm->ended_run_ns, run_ns);
    __sync_fetch_and_add(&vm->ended_run_delay_ns, run_delay_ns);
    __sync_fetch_and_add(&vm->ended_switches, switches);
    if (__sync_fetch_and_add(&vm->threads, -1) == 1) vm->ended_ns = bpf_ktime_get_boot_ns();
}

/* Both tasks are looked at, and a task that is no VM's costs two misses in task storage. The
 * arguments after `next` changed places in 5.18 and are not needed. */
SEC("tp_btf/sched_switch")
int BPF_PROG(vp_sched_switch, bool preempt, struct task_struct* prev, struct task_struct* next) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, prev, 0, 0);
    if (slot) {
        struct vp_thread* thread = thread_record(slot, prev->pid);
        if (thread) {
            thread->run_ns = prev->se.sum_exec_runtime;
            thread->run_delay_ns = prev->sched_info.run_delay;
            thread->switches = prev->sched_info.pcount;
            thread->on_cpu = 0;
            /* Not at sched_process_exit: a thread still uses its CPU from there to here. */
            if (prev->__state & TASK_DEAD) retire(thread);
        }
    }
    slot = bpf_task_storage_get(&thread_slots, next, 0, 0);
    if (slot) {
        struct vp_thread* thread = thread_record(slot, next->pid);
        if (thread) thread->on_cpu = bpf_get_smp_processor_id() + 1;
    }
    return 0;
}
