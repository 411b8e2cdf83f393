// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whose block I/O, how much, and how long the device was busy with it. */
#include "bpf/maps.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The cgroup that a request's first bio is charged to; NULL where it has none. On cgroup v2 this is
 * also right for pages written back later; on v1 those are the root's, which is no VM. */
static __always_inline struct cgroup_subsys_state* css_of(struct bio* bio) {
    struct blkcg_gq* group = BPF_CORE_READ(bio, bi_blkg);
    return group ? (struct cgroup_subsys_state*)BPF_CORE_READ(group, blkcg) : 0;
}

static __always_inline bool owner_by_cgroup(struct cgroup_subsys_state* css, struct vp_owner* out) {
    __u64 id = BPF_CORE_READ(css, cgroup, kn, id);
    struct vp_owner* owner = bpf_map_lookup_elem(&cgroups, &id);
    if (!owner) return false;
    *out = *owner;
    return true;
}

/* For VMs that share a cgroup with others (a qemu started by hand), so that only the submitter
 * tells them apart. Whoever runs the queue may issue what others left in it: only where the request
 * is of the current task's own cgroup is it taken for its own. */
static __always_inline bool owner_by_task(struct cgroup_subsys_state* css, struct vp_owner* out) {
    struct task_struct* task = bpf_get_current_task_btf();
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    if (!slot) return false;
    if (css) {
        struct css_set* set = BPF_CORE_READ(task, cgroups);
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

/* False for a request of no disk (never seen, but the pointer can be NULL). */
static __always_inline bool device_of(struct request* rq, __u32* dev) {
    struct gendisk* disk = BPF_CORE_READ(rq, q, disk);
    if (!disk) return false;
    *dev = (__u32)BPF_CORE_READ(disk, major) << 20 | (__u32)BPF_CORE_READ(disk, first_minor);
    return true;
}

static __always_inline struct vp_block* block_of(__u64 start_ns, __u32 tgid, __u32 dev) {
    struct vp_block_key key = {.start_ns = start_ns, .tgid = tgid, .dev = dev};
    struct vp_block* block = bpf_map_lookup_elem(&vm_block, &key);
    if (block) return block;
    struct vp_block fresh = {};
    /* BPF_NOEXIST: another CPU may have made it meanwhile, and then its counts stand. */
    bpf_map_update_elem(&vm_block, &key, &fresh, BPF_NOEXIST);
    block = bpf_map_lookup_elem(&vm_block, &key);
    if (!block) count_failure(block_full);
    return block;
}

/* One request more (+1) or less (-1) in flight, and the busy time that ends with it. */
static __always_inline bool change_in_flight(struct vp_block* block, int by, __u64 now_ns) {
    for (int i = 0; i < VP_BUSY_TRIES; ++i) {
        __u64 seen = *(volatile __u64*)&block->in_flight_since;
        __u64 count = seen & 0xffff;
        __u64 since = seen >> 16;
        if (by < 0 && count == 0) return true; /* forgotten by a restart of the agent */
        if (by > 0 && count == 0xffff) break;
        count += by;
        if (by > 0 && count == 1) since = now_ns >> 10;
        __u64 wanted = count ? since << 16 | count : 0;
        if (__sync_val_compare_and_swap(&block->in_flight_since, seen, wanted) != seen) continue;
        if (count == 0 && now_ns >> 10 > since) {
            __sync_fetch_and_add(&block->busy_ns, ((now_ns >> 10) - since) << 10);
        }
        return true;
    }
    count_failure(busy_contended);
    return false;
}

/* So many bytes of a request have completed; `whole`: with them all of it. */
static __always_inline void count_done(struct vp_block* block, __u32 op, __u32 bytes, bool whole) {
    if (op == REQ_OP_READ) {
        __sync_fetch_and_add(&block->read_bytes, bytes);
        if (whole) __sync_fetch_and_add(&block->read_ops, 1);
    } else if (op == REQ_OP_DISCARD) {
        __sync_fetch_and_add(&block->discard_bytes, bytes);
        if (whole) __sync_fetch_and_add(&block->discard_ops, 1);
    } else if (op & 1) { /* data to the device: writes, zone appends, zeroes written */
        __sync_fetch_and_add(&block->write_bytes, bytes);
        if (whole) __sync_fetch_and_add(&block->write_ops, 1);
    }
}

static __always_inline struct vp_block* known_block(const struct vp_request* request) {
    struct vp_block_key key = {
        .start_ns = request->start_ns, .tgid = request->tgid, .dev = request->dev};
    return bpf_map_lookup_elem(&vm_block, &key);
}

/* A request that is over, though no event said so (some kernels lose one in a thousand): it is
 * counted as the device counted it, only later. */
static __always_inline void end_unseen(const struct vp_request* request, __u64 now_ns) {
    count_failure(lost_completions);
    struct vp_block* block = known_block(request);
    if (!block) return;
    count_done(block, request->op, request->bytes, true);
    change_in_flight(block, -1, now_ns);
}

/* Attached before the issue program: else what is issued between the two would never complete. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(vp_rq_complete, struct request* rq, int error, unsigned int bytes) {
    __u64 key = (__u64)rq;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (!request) {
        /* A flush is not issued as the request that asked for it, but through one that the block
         * layer keeps for all; what asked completes here, with nothing transferred. The last bio
         * is there again by then, to say whose it is and that it asked: the request itself has had
         * its flags taken off. Data with a flush before or behind it comes by a second time, after
         * its data was counted. */
        __u64 flush = 1ULL << bpf_core_enum_value(enum req_flag_bits, __REQ_PREFLUSH) |
                      1ULL << bpf_core_enum_value(enum req_flag_bits, __REQ_FUA);
        struct bio* bio = rq->bio;
        struct vp_owner owner;
        __u32 dev;
        if (bytes || !bio || !(bio->bi_opf & flush)) return 0;
        struct cgroup_subsys_state* css = css_of(bio);
        if (!css || !owner_by_cgroup(css, &owner) || !device_of(rq, &dev)) return 0;
        struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
        if (block) __sync_fetch_and_add(&block->flush_ops, 1);
        return 0;
    }
    struct vp_block* block = block_of(request->start_ns, request->tgid, request->dev);
    bool whole = bytes >= rq->__data_len;
    if (block) count_done(block, request->op, bytes, whole);
    /* A part of a request can complete alone: it is in flight until the rest has. */
    if (!whole) {
        request->bytes = rq->__data_len - bytes;
        return 0;
    }
    bpf_map_delete_elem(&requests, &key);
    if (block) change_in_flight(block, -1, bpf_ktime_get_boot_ns());
    return 0;
}

/* Given back by the driver: it was not served, and will be issued again. */
SEC("tp_btf/block_rq_requeue")
int BPF_PROG(vp_rq_requeue, struct request* rq) {
    __u64 key = (__u64)rq;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (!request) return 0;
    struct vp_request was = *request;
    bpf_map_delete_elem(&requests, &key);
    struct vp_block* block = known_block(&was);
    if (block) change_in_flight(block, -1, bpf_ktime_get_boot_ns());
    return 0;
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(vp_rq_issue, struct request* rq) {
    unsigned int op = rq->cmd_flags & REQ_OP_MASK;
    struct bio* bio = rq->bio;
    struct vp_owner owner = {};
    __u32 dev;
    __u64 key = (__u64)rq;
    __u64 now_ns = bpf_ktime_get_boot_ns();
    struct vp_request* stale = bpf_map_lookup_elem(&requests, &key);
    if (stale) { /* its end was not seen, and the kernel uses the request again, for whomever */
        struct vp_request was = *stale;
        bpf_map_delete_elem(&requests, &key);
        end_unseen(&was, now_ns);
    }
    /* Without a bio it is the block layer's own flush, which serves many at once. */
    if (op >= REQ_OP_DRV_IN || op == REQ_OP_FLUSH || !bio) return 0;
    struct cgroup_subsys_state* css = css_of(bio);
    if (!(css && owner_by_cgroup(css, &owner)) && !owner_by_task(css, &owner)) return 0;
    if (!device_of(rq, &dev)) return 0;

    struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
    if (!block || !change_in_flight(block, 1, now_ns)) return 0;
    struct vp_request request = {
        .issued_ns = now_ns,
        .start_ns = owner.start_ns,
        .tgid = owner.tgid,
        .dev = dev,
        .op = op,
        .bytes = rq->__data_len,
    };
    if (bpf_map_update_elem(&requests, &key, &request, BPF_ANY)) {
        count_failure(requests_full);
        change_in_flight(block, -1, now_ns);
    }
    return 0;
}

/* Run by the agent now and then: ends requests whose end was not seen. One that is slow is still
 * in flight for the kernel too, and stays. */
SEC("iter/bpf_map_elem")
int vp_expire_requests(struct bpf_iter__bpf_map_elem* ctx) {
    const __u64* key = ctx->key;
    const struct vp_request* value = ctx->value;
    if (!key || !value) return 0;
    __u64 address = *key;
    struct vp_request request = *value;
    __u64 now_ns = bpf_ktime_get_boot_ns();
    if (now_ns - request.issued_ns < 1000000000ULL) return 0; /* leaves the handlers their time */
    struct request* rq = (struct request*)address;
    enum mq_rq_state state = MQ_RQ_IN_FLIGHT;
    if (bpf_core_field_exists(rq->state)) state = BPF_CORE_READ(rq, state);
    if (state == MQ_RQ_IN_FLIGHT) return 0;
    bpf_map_delete_elem(&requests, &address);
    end_unseen(&request, now_ns);
    return 0;
}
