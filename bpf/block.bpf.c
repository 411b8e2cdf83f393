// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Whose block I/O, how much, how long it took, and whom the device served meanwhile. */
#include "bpf/block_count.h"
#include "bpf/block_owner.h"
#include "bpf/maps.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Set by the agent where the kernel has no block_io_start: what is queued is known by its bio. */
const volatile __u8 queued_by_bio = 0;

/* Likewise: whether what VMs submit is noted when it is queued. Else the task that issues it has to
 * do as a witness, and it may issue what others left in the queue. */
const volatile __u8 queued_is_seen = 0;

/* A request struct is made anew when it is used again. One whose time begins this long after we saw
 * it queued is another than that (the kernel sets it next to the tracepoint, on either side). */
#define SAME_REQUEST_NS 1000000

/* Notes the service of device and VM up to now, to be taken off those at the request's end. */
static __always_inline void look_at_service(struct vp_request* request,
                                            const struct vp_device* device,
                                            const struct vp_block* block) {
    request->device_before_ns = device->served_ns;
    request->own_before_ns = block->served_ns;
}

/* A request that is over, though no event said so (some kernels lose one in a thousand): it is
 * counted as the device counted it, only later; how long it took is not known. */
static __always_inline void end_unseen(const struct vp_request* request, __u64 now_ns) {
    count_failure(lost_completions);
    struct vp_block* block = known_block(request);
    if (!block) return;
    count_done(block, request->op, request->bytes, true);
    __sync_fetch_and_add(&block->untimed_ops, 1);
    change_in_flight(block, -1, now_ns);
}

/* Whether it is soon enough to ask whose a request is when it is issued, as its cgroup tells it
 * then as well. Not where it is to be told who went first, where only we know when it was queued,
 * nor for what may be a flush without data, which is not issued itself. */
static __always_inline bool may_wait_for_issue(const struct vp_device* device, __u64 start_ns,
                                               const struct bio* bio) {
    return is_alone(device, start_ns) && !device->unstamped &&
           !(bio->bi_opf & request_flag(__REQ_PREFLUSH));
}

/* In the submitter's context, where it is a VM's thread: so its requests are known as its own
 * whoever issues them. What others submit (a kernel thread that writes back) waits for its issue.
 */
static __always_inline int queue(struct task_struct* task, __u64 key, struct bio* bio,
                                 unsigned int op, struct gendisk* disk) {
    struct vp_owner owner = {};
    __u32 dev;
    if (op >= REQ_OP_DRV_IN || !bio || !device_of_disk(disk, &dev)) return 0;
    struct vp_device* device = device_record(dev);
    struct cgroup_subsys_state* css = css_of(bio);
    if (css && owner_by_cgroup(css, &owner)) {
        if (device && may_wait_for_issue(device, owner.start_ns, bio)) return 0;
    } else if (!owner_by_task(task, css, &owner)) {
        return 0;
    }
    __u64 now_ns = bpf_ktime_get_ns(); /* rq->start_time_ns is set after the event on new kernels */
    struct vp_request request = {.op = op,
                                 .dev = dev,
                                 .queued_ns = now_ns,
                                 .start_ns = owner.start_ns,
                                 .tgid = owner.tgid,
                                 .device_before_ns = VP_NOT_SHARED,
                                 .own_before_ns = VP_NOT_SHARED};
    if (device && is_shared_by_vm(device, owner.start_ns, now_ns)) {
        struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
        if (!block) return 0;
        look_at_service(&request, device, block);
    }
    if (!bpf_map_update_elem(&requests, &key, &request, BPF_NOEXIST)) return 0;
    struct vp_request* stale = bpf_map_lookup_elem(&requests, &key);
    if (!stale) {
        count_failure(requests_full);
        return 0;
    }
    if (stale->issued_ns) { /* its end was not seen, and the kernel uses it again */
        struct vp_request was = *stale;
        end_unseen(&was, now_ns);
    }
    *stale = request;
    return 0;
}

SEC("tp_btf/block_io_start")
int BPF_PROG(vp_io_start, struct request* rq) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!is_vms_thread(task)) return 0;
    return queue(task, (__u64)rq, rq->bio, rq->cmd_flags & REQ_OP_MASK, rq->q->disk);
}

/* Before 6.5: the bio has got its request, but which is not said. */
SEC("tp_btf/block_getrq")
int BPF_PROG(vp_getrq, struct bio* bio) {
    struct task_struct* task = bpf_get_current_task_btf();
    if (!is_vms_thread(task)) return 0;
    return queue(task, (__u64)bio, bio, bio->bi_opf & REQ_OP_MASK, bio->bi_bdev->bd_disk);
}

/* It goes on as a part of another request. */
SEC("tp_btf/block_rq_merge")
int BPF_PROG(vp_rq_merge, struct request* rq) {
    __u64 key = (__u64)rq;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (request && !request->issued_ns) bpf_map_delete_elem(&requests, &key);
    return 0;
}

/* What was noted when the request was queued, if it was; `out` is a copy, and its entry is gone. */
static __always_inline bool take_queued_bio(struct request* rq, struct vp_request* out) {
    __u64 key = (__u64)rq->bio;
    if (!queued_by_bio || !key) return false;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (!request) return false;
    *out = *request;
    bpf_map_delete_elem(&requests, &key);
    return rq->start_time_ns <= out->queued_ns + SAME_REQUEST_NS;
}

/* The end of a request that asked for a flush and carries no data (any more). It was not issued
 * itself: the block layer keeps one request to flush for all. The last bio is there again by then,
 * to say that it asked: the request itself has had its flags taken off. Data with a flush before or
 * behind it comes by a second time, after its data was counted. */
static __always_inline void end_flush(struct request* rq, const struct vp_request* queued) {
    struct bio* bio = rq->bio;
    if (!bio || !(bio->bi_opf & (request_flag(__REQ_PREFLUSH) | request_flag(__REQ_FUA)))) return;
    struct vp_owner owner = {};
    __u32 dev;
    if (queued) {
        owner.start_ns = queued->start_ns;
        owner.tgid = queued->tgid;
    } else {
        struct cgroup_subsys_state* css = css_of(bio);
        if (!css || !owner_by_cgroup(css, &owner)) return;
    }
    if (!device_of(rq, &dev)) return;
    struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
    if (!block) return;
    __sync_fetch_and_add(&block->flush_ops, 1);
    __u64 began_ns = rq->start_time_ns ? rq->start_time_ns : queued ? queued->queued_ns : 0;
    __u64 now_ns = bpf_ktime_get_ns();
    /* With data, what the data took is in there: told apart only where it was its own. */
    if (queued && began_ns && now_ns > began_ns) {
        __sync_fetch_and_add(&block->flush_ns, now_ns - began_ns);
    }
}

/* Whether a flush of it becomes a request: else its end is no disk's work. */
static __always_inline bool flushes_by_request(const struct gendisk* disk) {
    const struct request_queue* queue = disk->queue;
    return queue->mq_ops && queue->queue_flags & 1UL << QUEUE_FLAG_WC;
}

/* One disk of an array has been flushed. Before 6.12 a worker of md sends these in its own name, so
 * that the request is nobody's; for whom it is done, the array says until all its disks have
 * been (one of those that asked: md does not repeat a flush for who waited for it). Read with
 * checks at run time: bi_private has no type. */
SEC("fentry/md_end_flush")
int BPF_PROG(vp_md_end_flush, struct bio* bio) {
    const struct md_rdev* member = bio->bi_private;
    struct gendisk* disk = bio->bi_bdev->bd_disk;
    struct vp_owner owner = {};
    __u32 dev;
    __u64 id = BPF_CORE_READ(member, mddev, flush_bio, bi_blkg, blkcg, css.cgroup, kn, id);
    if (!owner_by_cgroup_id(id, &owner)) return 0;
    if (!device_of_disk(disk, &dev) || !flushes_by_request(disk)) return 0;
    struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
    if (block) __sync_fetch_and_add(&block->flush_ops, 1);
    return 0;
}

/* The end of a request that was not seen to be issued, or of a part of it. Counted as the device
 * counts it; when it came to the device is not known. */
static __always_inline void count_unissued(struct vp_block* block, __u32 op, int error, __u32 bytes,
                                           bool whole) {
    count_done(block, op, bytes, whole);
    if (!whole) return;
    __sync_fetch_and_add(&block->untimed_ops, 1);
    if (!error) count_failure(lost_issues); /* else it was refused before it came to the device */
}

/* When the first issue event was seen, CLOCK_MONOTONIC; 0: none yet. What was issued before it is
 * none that was lost. */
static volatile __u64 issues_from_ns = 0;

/* The end of a request of which nothing was noted. Of interest only where a VM is about, so that on
 * all other devices the host's own I/O writes no memory that CPUs share. It is a VM's where its
 * issue event was lost, as an event is where a program of ours was at work on that CPU. */
static __always_inline void end_unnoted(struct request* rq, int error, unsigned int bytes) {
    struct vp_owner owner = {};
    __u32 dev;
    __u32 op = rq->cmd_flags & REQ_OP_MASK;
    if (op >= REQ_OP_DRV_IN || !device_of(rq, &dev)) return;
    struct vp_device* device = known_device(dev);
    if (!device) return;
    __u64 now_ns = bpf_ktime_get_ns();
    __u64 stamp_ns = rq->io_start_time_ns ? rq->io_start_time_ns : rq->start_time_ns;
    __u64 arrival_ns = stamp_ns ? stamp_ns : now_ns;
    if ((__s64)(arrival_ns - device->vm_ns) > (__s64)VP_OWNER_STAYS_NS) return;
    bool whole = bytes >= rq->__data_len;
    struct cgroup_subsys_state* css = rq->bio ? css_of(rq->bio) : 0;
    if (css && owner_by_cgroup(css, &owner)) {
        if (!issues_from_ns || arrival_ns < issues_from_ns) return;
        struct vp_block* block = block_of(owner.start_ns, owner.tgid, dev);
        if (block) count_unissued(block, op, error, bytes, whole);
        return;
    }
    if (!whole || !stamp_ns || !is_shared(device, VP_OWNER_HOST, now_ns)) return;
    __u64 slice_ns = serve(device, arrival_ns, now_ns);
    if (is_nobodys(rq)) {
        __sync_fetch_and_add(&device->nobody_ns, slice_ns);
    } else {
        __sync_fetch_and_add(&device->host_ns, slice_ns);
    }
}

/* The device's time of a whole request, and how much of that of the request went to others. No more
 * than it lasted: what ends first after it came was begun before that. */
static __always_inline void account_service(struct vp_block* block,
                                            const struct vp_request* request, __u64 now_ns) {
    struct vp_device* device = device_record(request->dev);
    if (!device || !is_shared_by_vm(device, request->start_ns, now_ns)) return;
    __u64 slice_ns = serve(device, request->issued_ns, now_ns);
    __sync_fetch_and_add(&block->served_ns, slice_ns);
    if (request->own_before_ns == VP_NOT_SHARED) return;
    __u64 all_ns = device->served_ns - request->device_before_ns;
    __u64 own_ns = block->served_ns - request->own_before_ns;
    __u64 here_ns = now_ns - request->queued_ns;
    if (all_ns > here_ns) all_ns = here_ns;
    if (all_ns > own_ns) __sync_fetch_and_add(&block->ahead_ns, all_ns - own_ns);
}

/* The end of a request that was noted when it was queued and not seen to be issued: a flush without
 * data, or its issue event was lost. */
static __always_inline void end_unissued(struct request* rq, const struct vp_request* request,
                                         int error, unsigned int bytes) {
    __u64 key = (__u64)rq;
    bool whole = bytes >= rq->__data_len;
    if (whole) bpf_map_delete_elem(&requests, &key);
    if (!bytes) {
        end_flush(rq, request);
        return;
    }
    struct vp_block* block = block_of_request(request);
    if (block) count_unissued(block, request->op, error, bytes, whole);
}

/* Attached before the issue program: else what is issued between the two would never complete. */
SEC("tp_btf/block_rq_complete")
int BPF_PROG(vp_rq_complete, struct request* rq, int error, unsigned int bytes) {
    __u64 key = (__u64)rq;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (!request) {
        struct vp_request queued;
        bool known = !bytes && take_queued_bio(rq, &queued);
        if (bytes || !rq->bio) {
            end_unnoted(rq, error, bytes);
        } else {
            end_flush(rq, known ? &queued : 0);
        }
        return 0;
    }
    struct vp_request was = *request;
    if (!was.issued_ns) {
        end_unissued(rq, &was, error, bytes);
        return 0;
    }
    struct vp_block* block = block_of_request(&was);
    bool whole = bytes >= rq->__data_len;
    if (block) count_done(block, was.op, bytes, whole);
    /* A part of a request can complete alone: it is in flight until the rest has. */
    if (!whole) {
        request->bytes = rq->__data_len - bytes;
        return 0;
    }
    bpf_map_delete_elem(&requests, &key);
    if (!block) return 0;
    __u64 now_ns = bpf_ktime_get_ns();
    change_in_flight(block, -1, now_ns);
    __u64 began_ns = rq->start_time_ns ? rq->start_time_ns : was.queued_ns;
    count_time(block, was.op, began_ns, was.issued_ns, now_ns);
    account_service(block, &was, now_ns);
    return 0;
}

/* Given back by the driver: it was not served, and will be issued again. */
SEC("tp_btf/block_rq_requeue")
int BPF_PROG(vp_rq_requeue, struct request* rq) {
    __u64 key = (__u64)rq;
    struct vp_request* request = bpf_map_lookup_elem(&requests, &key);
    if (!request || !request->issued_ns) return 0;
    request->issued_ns = 0;
    struct vp_block* block = known_block(request);
    if (block) change_in_flight(block, -1, bpf_ktime_get_ns());
    return 0;
}

/* It goes to the device. */
static __always_inline bool issue(struct request* rq, struct vp_request* request,
                                  struct vp_block* block, __u32 op, __u64 now_ns) {
    if (!block || !change_in_flight(block, 1, now_ns)) return false;
    request->issued_ns = now_ns;
    request->op = op;
    request->bytes = rq->__data_len;
    return true;
}

/* The same for one that has no note yet; false: it is no VM's. */
static __always_inline bool begin(struct request* rq, struct vp_request* request, __u32 op,
                                  __u64 now_ns) {
    struct vp_owner owner = {};
    struct cgroup_subsys_state* css = css_of(rq->bio);
    bool is_roots = !css || !css->parent;
    if ((!css || !owner_by_cgroup(css, &owner)) &&
        (!is_roots || !owner_above_dm(rq->bio, &owner))) {
        struct task_struct* task = bpf_get_current_task_btf();
        if (queued_is_seen || !is_vms_thread(task) || !owner_by_task(task, css, &owner)) {
            return false;
        }
    }
    if (!device_of(rq, &request->dev)) return false;
    request->queued_ns = now_ns;
    request->device_before_ns = VP_NOT_SHARED;
    request->own_before_ns = VP_NOT_SHARED;
    request->start_ns = owner.start_ns;
    request->tgid = owner.tgid;
    struct vp_block* block = block_of(owner.start_ns, owner.tgid, request->dev);
    if (!block) return false;
    struct vp_device* device = device_record(request->dev);
    if (!rq->start_time_ns) {
        __sync_fetch_and_add(&block->untimed_ops, 1);
        if (device && !device->unstamped) device->unstamped = 1;
    }
    if (device && is_shared_by_vm(device, owner.start_ns, now_ns)) {
        look_at_service(request, device, block);
    }
    return issue(rq, request, block, op, now_ns);
}

SEC("tp_btf/block_rq_issue")
int BPF_PROG(vp_rq_issue, struct request* rq) {
    unsigned int op = rq->cmd_flags & REQ_OP_MASK;
    __u64 key = (__u64)rq;
    __u64 now_ns = bpf_ktime_get_ns();
    if (!issues_from_ns) issues_from_ns = now_ns;
    struct vp_request* known = bpf_map_lookup_elem(&requests, &key);
    if (known) {
        if (known->issued_ns) { /* its end was not seen, and the kernel uses it again */
            struct vp_request was = *known;
            bpf_map_delete_elem(&requests, &key);
            end_unseen(&was, now_ns);
            known = 0;
        } else if (rq->start_time_ns > known->queued_ns + SAME_REQUEST_NS) {
            bpf_map_delete_elem(&requests, &key);
            known = 0;
        }
    }
    /* Without a bio it is the block layer's own flush, which serves many at once. */
    if (op >= REQ_OP_DRV_IN || op == REQ_OP_FLUSH || !rq->bio) return 0;
    if (known) {
        issue(rq, known, block_of_request(known), op, now_ns);
        return 0;
    }
    struct vp_request request = {};
    bool begun = take_queued_bio(rq, &request)
                     ? issue(rq, &request, block_of_request(&request), op, now_ns)
                     : begin(rq, &request, op, now_ns);
    if (!begun) return 0;
    if (bpf_map_update_elem(&requests, &key, &request, BPF_ANY)) {
        count_failure(requests_full);
        struct vp_block* block = known_block(&request);
        if (block) change_in_flight(block, -1, now_ns);
    }
    return 0;
}

/* Run by the agent for each request that is overdue: at its device for a second, or queued for half
 * a minute and never issued. Removes its entry unless an event has changed it since the agent
 * looked, and ends a request whose completion was not seen: the kernel has freed it, or is about to
 * use it again. A slow one is in flight for the kernel too, or on its way to the completion event,
 * and stays. The agent names the request, as some kernels refuse iterators over a map. */
SEC("syscall")
int vp_expire_request(struct vp_expiry* expiry) {
    const __u64 address = expiry->request;
    const struct vp_request* found = bpf_map_lookup_elem(&requests, &address);
    if (!found || found->queued_ns != expiry->queued_ns || found->issued_ns != expiry->issued_ns) {
        return 0;
    }
    const struct vp_request request = *found;
    if (!request.issued_ns) { /* merged unseen, or its bio was */
        bpf_map_delete_elem(&requests, &address);
        return 0;
    }
    struct request* rq = (struct request*)address;
    enum mq_rq_state state = MQ_RQ_IN_FLIGHT;
    if (bpf_core_field_exists(rq->state)) state = BPF_CORE_READ(rq, state);
    if (state != MQ_RQ_IDLE) return 0;
    bpf_map_delete_elem(&requests, &address);
    end_unseen(&request, bpf_ktime_get_ns());
    return 0;
}
