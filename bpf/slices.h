/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who had the CPU while a VM's thread waited for it. Each CPU remembers its last slices of time and
 * whose they were, newest first; a thread that comes onto it after a wait of W ns is told the last
 * W ns of them. So no wake-up needs a handler, and nothing is done for who does not wait.
 *
 * Times are those of the scheduler's own clock of the CPU (rq.clock), of which sched_info.run_delay
 * is made: what is charged sums up to it to the nanosecond. */
#ifndef VIRTPULSE_BPF_SLICES_H
#define VIRTPULSE_BPF_SLICES_H

#include "bpf/rows.h"

/* The kernel's name of a task, as two words; both are in its array of 16. */
static __always_inline void copy_comm(char to[VP_COMM_LEN], const struct task_struct* task) {
    ((__u64*)to)[0] = ((const __u64*)task->comm)[0];
    ((__u64*)to)[1] = ((const __u64*)task->comm)[1];
}

/* That of its process. */
static __always_inline void copy_process_comm(char to[VP_COMM_LEN],
                                              const struct task_struct* task) {
    copy_comm(to, task->pid == task->tgid ? task : task->group_leader);
}

/* Slices shorter than this are added to one of their owner's among the last VP_SLICES_MERGED, as
 * long as that one is short too: two tasks that hand a CPU to and fro would else fill the memory in
 * no time. Only the order of these is then lost, which matters where a wait began among them. */
#define VP_SLICES_MERGED 4
#define VP_SLICE_SHORT_NS 100000
#define VP_SLICE_MERGED_NS 1000000

/* The slice that `task` had on this CPU has ended. */
static __always_inline void end_slice(struct vp_cpu* cpu, __u64 owner, __u64 ns,
                                      const struct task_struct* task) {
    __u32 head = cpu->head;
    struct vp_slice* slice = &cpu->slices[head % VP_SLICES];
    const bool host = (__u32)owner == VP_SLICE_HOST;
    if (slice->owner == owner && head - cpu->floor < VP_SLICES) { /* not closed */
        slice->ns += ns;
        return;
    }
    if (ns < VP_SLICE_SHORT_NS) {
        for (__u32 i = 1; i < VP_SLICES_MERGED; ++i) {
            if (head - i - cpu->floor >= VP_SLICES) break;
            slice = &cpu->slices[(head - i) % VP_SLICES];
            if (slice->owner == owner && slice->ns < VP_SLICE_MERGED_NS) {
                slice->ns += ns;
                return;
            }
        }
    }
    cpu->head = ++head;
    if (head - cpu->floor == VP_SLICES) ++cpu->floor; /* what is overwritten is not added to */
    slice = &cpu->slices[head % VP_SLICES];
    slice->owner = owner;
    slice->ns = ns;
    if (host) copy_process_comm(slice->comm, task);
}

static __always_inline void charge_class(struct vp_history* all, __u32 class, __u64 ns,
                                         __u32* seen) {
    all->by[class].ns += ns;
    if (*seen & 1 << class) return;
    *seen |= 1 << class;
    ++all->by[class].waits;
}

/* `mark` is the wait's own, so that several slices of it count as one wait. Threads of one VM may
 * write at once: then a wait may count twice. */
static __always_inline void charge_row(__u32 victim, const struct vp_slice* slice, bool host,
                                       __u64 ns, __u64 mark) {
    if (!victim) return;
    struct vp_culprit_key key = {.victim = victim};
    if (host) {
        ((__u64*)key.comm)[0] = ((const __u64*)slice->comm)[0];
        ((__u64*)key.comm)[1] = ((const __u64*)slice->comm)[1];
    } else {
        key.tgid = slice->owner >> 32;
    }
    struct vp_culprit* row = row_of(culprits, &key, culprits_full);
    if (!row) return;
    __sync_fetch_and_add(&row->ns, ns);
    if (row->last_wait == mark) return;
    row->last_wait = mark;
    row->last_tgid = slice->owner >> 32;
    __sync_fetch_and_add(&row->waits, 1);
}

static __always_inline void charge(struct vp_history* all, __u32 victim,
                                   const struct vp_slice* slice, __u64 ns, __u64 mark,
                                   __u32* seen) {
    const __u32 kind = slice->owner;
    if (kind & VP_SLICE_VM) {
        if (slice->owner >> 32 != victim) {
            charge_class(all, VP_BY_VM, ns, seen);
            charge_row(victim, slice, false, ns, mark);
        } else if (kind == VP_SLICE_VM + VP_ROLE_VCPU) {
            charge_class(all, VP_BY_OWN_VCPU, ns, seen);
        } else if (kind == VP_SLICE_VM + VP_ROLE_EMULATOR) {
            charge_class(all, VP_BY_OWN_EMULATOR, ns, seen);
        } else {
            charge_class(all, VP_BY_OWN_IO, ns, seen);
        }
    } else if (kind == VP_SLICE_HOST) {
        charge_class(all, VP_BY_HOST, ns, seen);
        charge_row(victim, slice, true, ns, mark);
    } else if (kind == VP_SLICE_KERNEL) {
        charge_class(all, VP_BY_KERNEL, ns, seen);
    } else {
        charge_class(all, VP_BY_IDLE, ns, seen);
    }
}

struct vp_charging {
    const struct vp_cpu* cpu;
    struct vp_history* all;
    __u64 ns; /* not charged yet */
    __u64 mark;
    __u32 victim;
    __u32 seen;
};

/* One slice, the newest first; 1: that was all. */
static long charge_slice(__u32 number, void* context) {
    struct vp_charging* charging = context;
    const struct vp_cpu* cpu = charging->cpu;
    const struct vp_slice* slice = &cpu->slices[(cpu->head - number) % VP_SLICES];
    const __u64 ns = slice->ns < charging->ns ? slice->ns : charging->ns;
    if (!ns) return 0;
    charge(charging->all, charging->victim, slice, ns, charging->mark, &charging->seen);
    charging->ns -= ns;
    return charging->ns == 0;
}

/* Charges the last `ns` of a CPU's time to those that had it: first `running`, whose slice goes on
 * (none where its `ns` is 0), then the slices before. */
static __noinline int charge_slices(const struct vp_cpu* cpu, struct vp_history* all, __u32 victim,
                                    __u64 ns, const struct vp_slice* running) {
    struct vp_charging charging = {
        .cpu = cpu,
        .all = all,
        .ns = ns,
        .mark = cpu->since_ns ^ (__u64)victim << 40,
        .victim = victim,
    };
    if (running->ns) {
        const __u64 part = running->ns < ns ? running->ns : ns;
        charge(all, victim, running, part, charging.mark, &charging.seen);
        charging.ns -= part;
    }
    if (charging.ns) bpf_loop(VP_SLICES, charge_slice, &charging, 0);
    if (charging.ns) charge_class(all, VP_BY_UNKNOWN, charging.ns, &charging.seen);
    return 0;
}

#endif
