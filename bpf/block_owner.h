/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose a request is, and of which device. */
#ifndef VIRTPULSE_BPF_BLOCK_OWNER_H
#define VIRTPULSE_BPF_BLOCK_OWNER_H

#include "bpf/maps.h"

#include <bpf/bpf_core_read.h>

#define request_flag(name) (1ULL << bpf_core_enum_value(enum req_flag_bits, name))

/* The cgroup that a bio is charged to; NULL where it has none. On cgroup v2 this is also right for
 * pages written back later; on v1 those are the root's, which is no VM. */
static __always_inline struct cgroup_subsys_state* css_of(struct bio* bio) {
    struct blkcg_gq* group = bio->bi_blkg;
    return group ? (struct cgroup_subsys_state*)group->blkcg : 0;
}

static __always_inline bool owner_by_cgroup_id(__u64 id, struct vp_owner* out) {
    struct vp_owner* owner = bpf_map_lookup_elem(&cgroups, &id);
    if (!owner) return false;
    *out = *owner;
    return true;
}

static __always_inline bool owner_by_cgroup(struct cgroup_subsys_state* css, struct vp_owner* out) {
    return owner_by_cgroup_id(css->cgroup->kn->id, out);
}

/* Addresses of the functions that end a bio of device mapper, and one of dm-crypt, set by the
 * agent; 0: they are not there, or their types are not known. */
const volatile __u64 dm_clone_end = 0;
const volatile __u64 dm_crypt_end = 0;

#define VP_DM_LEVELS 4 /* of devices on top of each other; as LVM on dm-crypt on multipath */

/* The owner of the bio that a bio of device mapper was made for. Kernels from 5.19 on give the
 * second the cgroup of the thread that passes it on, which is the root's for a worker of dm-crypt
 * and for write-back; 7.0 and the stable kernels of 2026 copy it again. Read with checks at run
 * time, as bi_private has no type. */
static __always_inline bool owner_above_dm(struct bio* bio, struct vp_owner* out) {
    if (!dm_clone_end) return false;
    const struct bio* top = bio;
    for (int i = 0; i < VP_DM_LEVELS; ++i) {
        __u64 end = (__u64)BPF_CORE_READ(top, bi_end_io);
        if (dm_crypt_end && end == dm_crypt_end) {
            const struct dm_crypt_io* crypt = BPF_CORE_READ(top, bi_private);
            top = BPF_CORE_READ(crypt, base_bio);
        } else if (end != dm_clone_end) {
            break;
        }
        const struct dm_target_io* target =
            (const void*)top - bpf_core_field_offset(struct dm_target_io, clone);
        top = BPF_CORE_READ(target, io, orig_bio);
    }
    if (top == bio) return false;
    return owner_by_cgroup_id(BPF_CORE_READ(top, bi_blkg, blkcg, css.cgroup, kn, id), out);
}

/* For VMs that share a cgroup with others (a qemu started by hand), so that only the submitter
 * tells them apart. The current task may be at work for others (it runs the queue, or flushes
 * pages): only where the request is of its own cgroup is it taken for its own. */
static __always_inline bool owner_by_task(struct task_struct* task, struct cgroup_subsys_state* css,
                                          struct vp_owner* out) {
    if (css) {
        struct css_set* set = task->cgroups;
        struct cgroup_subsys_state* own = 0;
        __u64 io = bpf_core_enum_value(enum cgroup_subsys_id, io_cgrp_id);
        bpf_probe_read_kernel(&own, sizeof(own), (void*)&set->subsys + io * sizeof(own));
        if (own != css) return false;
    }
    __u32 tgid = task->tgid;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm) return false;
    out->tgid = tgid;
    out->start_ns = vm->start_ns;
    return true;
}

/* Whether it is a thread of a VM. */
static __always_inline bool is_vms_thread(struct task_struct* task) {
    return task->bpf_storage && bpf_task_storage_get(&thread_slots, task, 0, 0);
}

static __always_inline bool device_of_disk(struct gendisk* disk, __u32* dev) {
    if (!disk) return false;
    *dev = (__u32)disk->major << 20 | (__u32)disk->first_minor;
    return true;
}

/* False for a request of no disk (never seen, but the pointer can be NULL). */
static __always_inline bool device_of(struct request* rq, __u32* dev) {
    return device_of_disk(rq->q->disk, dev);
}

/* Of a request that is no VM's: whether it is nobody's either. Pages written back later carry no
 * REQ_SYNC; where they belong to the root cgroup, who dirtied them is not known. A request without
 * a bio is the block layer's own flush, which serves all that asked for one. */
static __always_inline bool is_nobodys(struct request* rq) {
    struct bio* bio = rq->bio;
    if (!bio) return true;
    if (!(rq->cmd_flags & 1) || rq->cmd_flags & request_flag(__REQ_SYNC)) return false;
    struct cgroup_subsys_state* css = css_of(bio);
    return !css || !css->parent;
}

#endif
