/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who had the CPU while a VM's thread waited for it. Each CPU remembers its last slices of time and
 * whose they were, newest first; a thread that comes onto it after a wait of W ns is told the last
 * W ns of them. So no wake-up needs a handler, and nothing is done for who does not wait.
 *
 * Times are those of the scheduler's own clock of the CPU (rq.clock), of which sched_info.run_delay
 * is made: what is charged sums up to it to the nanosecond. */
#ifndef VIRTPULSE_BPF_SLICES_H
#define VIRTPULSE_BPF_SLICES_H

#include "bpf/pairs.h"
#include "bpf/waits.h"

#include <bpf/bpf_core_read.h>

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

/* Slices shorter than this are added to one of their owner's, as long as that one is short too: to
 * one of the last VP_SLICES_MERGED where nobody's wait began since (they are not closed), and when
 * they grow old to one of the last VP_OLD_SLICES_MERGED old ones, as far back as the last long one.
 * Without that, tasks that hand a CPU back and forth would soon fill the memory. All that is lost
 * is the order of these slices, which matters where a wait began among them. */
#define VP_SLICES_MERGED 4
#define VP_OLD_SLICES_MERGED 8
#define VP_SLICE_SHORT_NS 100000
#define VP_SLICE_MERGED_NS 1000000

/* Set by the loader: waits are not to be charged to anybody, so that nothing is remembered. */
const volatile __u8 waits_left_out = 0;

/* The oldest slice makes room for a new one. */
static __always_inline void make_old(struct vp_cpu* cpu, const struct vp_slice* slice) {
    const __u32 head = cpu->old_head;
    if (slice->ns < VP_SLICE_SHORT_NS) {
        for (__u32 i = 0; i < VP_OLD_SLICES_MERGED; ++i) {
            if (head - i - cpu->old_floor >= VP_OLD_SLICES) break;
            struct vp_slice* old = &cpu->old[(head - i) % VP_OLD_SLICES];
            if (old->owner == slice->owner && old->ns < VP_SLICE_MERGED_NS) {
                old->ns += slice->ns;
                return;
            }
        }
    }
    cpu->old_head = head + 1;
    cpu->old[(head + 1) % VP_OLD_SLICES] = *slice;
    /* Nothing is added across a long slice: who had it may have waited since. */
    if (slice->ns >= VP_SLICE_SHORT_NS) {
        cpu->old_floor = head + 2;
    } else if (head + 1 - cpu->old_floor == VP_OLD_SLICES) {
        ++cpu->old_floor;
    }
}

static __always_inline void begin_slice(struct vp_cpu* cpu, __u64 owner, __u64 ns,
                                        const struct task_struct* task) {
    const __u32 head = ++cpu->head;
    if (head - cpu->floor == VP_SLICES) ++cpu->floor; /* what becomes old is not added to */
    struct vp_slice* slice = &cpu->slices[head % VP_SLICES];
    make_old(cpu, slice);
    slice->owner = owner;
    slice->ns = ns;
    if ((__u32)owner == VP_SLICE_HOST) copy_process_comm(slice->comm, task);
}

/* The slice that `task` had on this CPU has ended. */
static __always_inline void end_slice(struct vp_cpu* cpu, __u64 owner, __u64 ns,
                                      const struct task_struct* task) {
    if (waits_left_out) return;
    const __u32 head = cpu->head;
    struct vp_slice* slice = &cpu->slices[head % VP_SLICES];
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
    begin_slice(cpu, owner, ns, task);
}

static __always_inline void charge_class(struct vp_history* all, __u32 class, __u64 ns,
                                         __u32* seen) {
    all->by[class].ns += ns;
    if (*seen & 1 << class) return;
    *seen |= 1 << class;
    ++all->by[class].waits;
}

/* The wait's own mark, so that several slices of it count as one wait. */
static __always_inline __u64 mark_of(const struct vp_cpu* cpu, __u32 victim) {
    return cpu->since_ns ^ (__u64)victim << 40;
}

/* Threads of one VM may write at once: then a wait may count twice. */
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
    } else if (kind == VP_SLICE_HELD) {
        charge_class(all, VP_BY_UNKNOWN, ns, seen);
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
static __always_inline long charge_slice(__u32 number, struct vp_charging* charging) {
    const struct vp_cpu* cpu = charging->cpu;
    const struct vp_slice* slice = number < VP_SLICES
                                       ? &cpu->slices[(cpu->head - number) % VP_SLICES]
                                       : &cpu->old[(cpu->old_head - number) % VP_OLD_SLICES];
    const __u64 ns = slice->ns < charging->ns ? slice->ns : charging->ns;
    if (!ns) return 0;
    charge(charging->all, charging->victim, slice, ns, charging->mark, &charging->seen);
    charging->ns -= ns;
    return charging->ns == 0;
}
VP_ASSERT(VP_SLICES % VP_OLD_SLICES == 0); /* so that `number` need not be counted anew */

/* So many are looked at in a loop of our own, which calls nothing and is all there is before 5.17:
 * then the rest of a longer wait is unknown. */
#define VP_SLICES_INLINE 8

static long charge_older(__u32 number, void* charging) {
    return charge_slice(VP_SLICES_INLINE + number, charging);
}

/* Charges the last `ns` of a CPU's time to those that had it: first `running`, whose slice goes on
 * (NULL or its `ns` 0: none), then the slices before. */
static __noinline int charge_slices(const struct vp_cpu* cpu, struct vp_history* all, __u32 victim,
                                    __u64 ns, const struct vp_slice* running) {
    struct vp_charging charging = {
        .cpu = cpu,
        .all = all,
        .ns = ns,
        .mark = mark_of(cpu, victim),
        .victim = victim,
    };
    if (running && running->ns) {
        const __u64 part = running->ns < ns ? running->ns : ns;
        charge(all, victim, running, part, charging.mark, &charging.seen);
        charging.ns -= part;
    }
    for (__u32 i = 0; i < VP_SLICES_INLINE && charging.ns; ++i) {
        charge_slice(i, &charging);
    }
    if (charging.ns && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
        bpf_loop(VP_SLICES + VP_OLD_SLICES - VP_SLICES_INLINE, charge_older, &charging, 0);
    }
    if (charging.ns) charge_class(all, VP_BY_UNKNOWN, charging.ns, &charging.seen);
    return 0;
}

/* A wait that one slice of another VM covers. Of a pair that repeats nothing is written but the
 * thread's own record; its row is there since the first of these waits. */
static __always_inline void charge_vm(struct vp_wait* wait, __u32 victim, __u32 tgid, __u64 ns) {
    struct vp_pending* pending = &wait->pending;
    add_share(&wait->all, VP_BY_VM, ns);
    if (pending->tgid == tgid) {
        pending->ns += ns;
        ++pending->waits;
        return;
    }
    flush_pending(victim, pending);
    pending->ns = 0;
    pending->waits = 0;
    pending->tgid = tgid;
    add_to_pair(victim, tgid, ns, 1);
}

/* Likewise, for a wait that ends now. Most are no longer than the newest slice. */
static __always_inline void charge_wait(const struct vp_cpu* cpu, struct vp_wait* wait,
                                        __u32 victim, __u64 ns) {
    const struct vp_slice* newest = &cpu->slices[cpu->head % VP_SLICES];
    __u32 seen = 0;
    if (newest->ns < ns) {
        charge_slices(cpu, &wait->all, victim, ns, 0);
    } else if (victim && (__u32)newest->owner & VP_SLICE_VM && newest->owner >> 32 != victim) {
        charge_vm(wait, victim, newest->owner >> 32, ns);
    } else {
        charge(&wait->all, victim, newest, ns, mark_of(cpu, victim), &seen);
    }
}

#endif
