/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The maps, which all programs share. Weak, so that the objects that include this are linked into
 * one with one copy of each. All are pinned by the agent, but for `thread_slots`: it only says
 * where a thread's record is, and is made anew by adoption; and `cpus`. */
#ifndef VIRTPULSE_BPF_MAPS_H
#define VIRTPULSE_BPF_MAPS_H

#include "bpf/kernel.h"
#include "bpf/records.h"

#include <bpf/bpf_helpers.h>

/* The mark of a VM's thread, and the quickest answer to "is it one?": 3 ns for a task without. */
struct vp_slot {
    __u32 place_plus_1; /* in `threads`; 0: none yet; VP_SLOT_TAKEN: being looked for */
    __u32 no_vcpu;      /* it found no place in `vcpus` */
};
#define VP_SLOT_TAKEN 0xffffffffu /* no place: it is beyond the array */

struct {
    __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, int);
    __type(value, struct vp_slot);
} thread_slots SEC(".maps") __weak;

/* Memory-mapped by the agent, which so reads every thread without a system call. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, VP_MAX_THREADS);
    __type(key, __u32);
    __type(value, struct vp_thread);
} threads SEC(".maps") __weak;

/* Likewise. Apart from `threads`, of which a switch touches one cache line. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, VP_MAX_THREADS);
    __type(key, __u32);
    __type(value, struct vp_wait);
} waits SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_VMS);
    __type(key, __u32);
    __type(value, struct vp_vm);
} vms SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct vp_unconfirmed);
} unconfirmed SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_VMS);
    __type(key, __u32);
    __type(value, struct vp_history);
} ended_waits SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_CULPRITS);
    __type(key, struct vp_culprit_key);
    __type(value, struct vp_culprit);
} culprits SEC(".maps") __weak;

/* Not pinned: what it remembers is worth nothing after a pause. As long as the machine has CPUs,
 * which the loader fills in. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct vp_cpu);
} cpus SEC(".maps") __weak;

/* Written by the agent; only looked up here. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_CGROUPS);
    __type(key, __u64);
    __type(value, struct vp_owner);
} cgroups SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_BLOCK);
    __type(key, struct vp_block_key);
    __type(value, struct vp_block);
} vm_block SEC(".maps") __weak;

/* Memory-mapped by the agent, as `threads`. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, VP_MAX_DEVICES);
    __type(key, __u32);
    __type(value, struct vp_device);
} devices SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, VP_MAX_REQUESTS);
    __type(key, __u64);
    __type(value, struct vp_request);
} requests SEC(".maps") __weak;

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct vp_failures);
} failures SEC(".maps") __weak;

/* Memory-mapped by the agent. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, VP_MAX_VCPUS);
    __type(key, __u32);
    __type(value, struct vp_vcpu);
} vcpus SEC(".maps") __weak;

/* Only read and written by agents. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct vp_agents);
} agents SEC(".maps") __weak;

/* count_failure(member): one more of it. */
#define count_failure(member)                                                   \
    do {                                                                        \
        __u32 only_ = 0;                                                        \
        struct vp_failures* failures_ = bpf_map_lookup_elem(&failures, &only_); \
        if (failures_) __sync_fetch_and_add(&failures_->member, 1);             \
    } while (0)

/* The record of a thread that has a slot; NULL where it is another thread's by now. */
static __always_inline struct vp_thread* thread_record(const struct vp_slot* slot, __u32 tid) {
    __u32 place = slot->place_plus_1 - 1; /* 0 - 1 is past the end: no record */
    struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
    return thread && thread->tid == tid ? thread : 0;
}

#endif
