/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A VM's thread and its waits for a CPU, by the scheduler's own figures. */
#ifndef VIRTPULSE_BPF_WAITS_H
#define VIRTPULSE_BPF_WAITS_H

#include "bpf/log2.h"
#include "bpf/maps.h"

#include <bpf/bpf_core_read.h>

/* By the kernel's name of the task, whose first 8 bytes are one word here. */
static __always_inline __u32 role_of(const struct task_struct* task) {
    const __u64 name = ((const __u64*)task->comm)[0];
    if ((__u32)name == 0x20555043) return VP_ROLE_VCPU;                  /* "CPU " */
    if ((name & 0xffffff) == 0x204f49) return VP_ROLE_IO;                /* "IO " */
    if ((name & 0xffffffffffff) == 0x2d74736f6876) return VP_ROLE_VHOST; /* "vhost-" */
    return VP_ROLE_EMULATOR;
}

/* For how long the CPU quota of the task's group, or of one above it, has kept its tasks on this
 * CPU from running, as of `clock`. 0 where the kernel has no such quotas. */
static __always_inline __u64 throttled_ns(const struct task_struct* task, const struct rq* rq,
                                          __u64 clock) {
    const struct cfs_rq* queue = task->se.cfs_rq;
    if (!queue) return 0;
    if (bpf_core_field_exists(queue->throttled_clock_self)) {
        const __u64 since = queue->throttled_clock_self;
        return queue->throttled_clock_self_time + (since && clock > since ? clock - since : 0);
    }
    if (bpf_core_field_exists(queue->throttled_clock_pelt_time)) {
        __u64 ns = queue->throttled_clock_pelt_time;
        if (queue->throttle_count) {
            ns += rq->clock_pelt - rq->lost_idle_time - queue->throttled_clock_pelt;
        }
        return ns;
    }
    return 0;
}

/* What a thread's group has been throttled when the thread leaves its CPU. Since 6.18 the quota
 * stops tasks one by one, on their way out of the kernel: one that was not stopped does not wait
 * for it. Before, a whole queue was stopped, with all that wake in it. */
static __always_inline __u64 quota_base(const struct task_struct* task, const struct rq* rq,
                                        __u64 clock) {
    if (bpf_core_field_exists(task->throttled) && !task->throttled) return VP_QUOTA_NO;
    return throttled_ns(task, rq, clock);
}

/* How much of a wait was certainly for the quota: one that ends at `clock`, and of which
 * `waited_ns` were on this CPU. The clock of throttled time is the group's own on each CPU, so that
 * it says nothing of a thread that left another one (`same_cpu` false); and it also goes on while
 * the thread sleeps, where others of the group wait: as long as it slept may all have been that. */
static __always_inline __u64 quota_part(const struct vp_wait* wait, const struct task_struct* task,
                                        const struct rq* rq, __u64 clock, __u64 waited_ns,
                                        bool same_cpu) {
    const __u64 base = wait->quota_base_ns;
    if (base == VP_QUOTA_NO) return 0;
    if (base == VP_QUOTA_ALL) return waited_ns;
    if (!same_cpu) return 0;
    const __u64 away_ns = clock > wait->left_ns ? clock - wait->left_ns : 0;
    const __u64 slept_ns = away_ns > waited_ns ? away_ns - waited_ns : 0;
    const __u64 now = throttled_ns(task, rq, clock);
    const __u64 most = now > base ? now - base : 0;
    const __u64 part = most > slept_ns ? most - slept_ns : 0;
    return part < waited_ns ? part : waited_ns;
}

/* The bucket of a wait, see VP_WAIT_BUCKETS. */
static __always_inline __u32 wait_bucket(__u64 ns) {
    return log2_bucket(ns, VP_WAIT_FIRST_SHIFT, VP_WAIT_BUCKETS);
}

/* One wait more is charged to a class, or one has a part that is. */
static __always_inline void add_share(struct vp_history* all, __u32 class, __u64 ns) {
    all->by[class].ns += ns;
    ++all->by[class].waits;
}

/* What the kernel has counted for a thread beyond what we saw: waits without their own lengths. */
static __always_inline void catch_up(const struct task_struct* task, struct vp_thread* thread,
                                     struct vp_history* all) {
    const __u64 run_delay_ns = task->sched_info.run_delay;
    const __u64 switches = task->sched_info.pcount;
    if (switches > thread->switches) all->merged += switches - thread->switches;
    const __u64 known_ns = thread->run_delay_ns + all->phantom_ns;
    if (run_delay_ns > known_ns) {
        add_share(all, VP_BY_UNKNOWN, run_delay_ns - known_ns);
        thread->run_delay_ns += run_delay_ns - known_ns;
    }
    thread->switches = switches;
}

#endif
