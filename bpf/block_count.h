/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is counted for a VM on a device, and whom the device served. Many CPUs at once: atomics. */
#ifndef VIRTPULSE_BPF_BLOCK_COUNT_H
#define VIRTPULSE_BPF_BLOCK_COUNT_H

#include "bpf/log2.h"
#include "bpf/rows.h"

static __always_inline struct vp_block* block_of(__u64 start_ns, __u32 tgid, __u32 dev) {
    struct vp_block_key key = {.start_ns = start_ns, .tgid = tgid, .dev = dev};
    return row_of(vm_block, &key, block_full);
}

/* The row of a request's VM on its device, made where there is none. */
static __always_inline struct vp_block* block_of_request(const struct vp_request* request) {
    return block_of(request->start_ns, request->tgid, request->dev);
}

static __always_inline struct vp_block* known_block(const struct vp_request* request) {
    struct vp_block_key key = {
        .start_ns = request->start_ns, .tgid = request->tgid, .dev = request->dev};
    return bpf_map_lookup_elem(&vm_block, &key);
}

static __always_inline struct vp_device* device_at(__u32 dev, __u32 nth) {
    __u32 place = (vp_device_place(dev) + nth) & (VP_MAX_DEVICES - 1);
    return bpf_map_lookup_elem(&devices, &place);
}

/* The row of a device; NULL where no VM ever used it. Places are never freed: the first free one
 * ends the search. */
static __always_inline struct vp_device* known_device(__u32 dev) {
    for (__u32 nth = 0; nth < VP_DEVICE_PROBES; ++nth) {
        struct vp_device* device = device_at(dev, nth);
        if (!device || !device->dev) return 0;
        if (device->dev == dev) return device;
    }
    return 0;
}

/* The row of a device that a VM uses, made where there is none; two CPUs that make it meet at the
 * same place. NULL where all places for it are taken. */
static __always_inline struct vp_device* device_record(__u32 dev) {
    for (__u32 nth = 0; nth < VP_DEVICE_PROBES; ++nth) {
        struct vp_device* device = device_at(dev, nth);
        if (!device) return 0;
        __u32 found = device->dev ?: __sync_val_compare_and_swap(&device->dev, 0, dev);
        if (!found || found == dev) return device;
    }
    count_failure(devices_full);
    return 0;
}

/* Whether another than `owner`, who makes a request now, was at the device lately: only then is
 * anything to be said of who went first. Written when that changes, and then now and again. */
static __always_inline bool is_shared(struct vp_device* device, __u64 owner, __u64 now_ns) {
    __u64 age_ns = now_ns - device->shared_ns;
    /* The clock of another CPU's request may be a little behind. */
    bool is_shared = (__s64)age_ns < (__s64)VP_OWNER_STAYS_NS;
    if (device->owner == owner) {
        if (!is_shared && device->shared_ns) device->shared_ns = 0;
        return is_shared;
    }
    if (!device->owner) { /* nobody was here before */
        device->owner = owner;
        return false;
    }
    if (!is_shared || (__s64)age_ns > (__s64)VP_OWNER_REFRESH_NS) {
        device->owner = owner;
        device->shared_ns = now_ns;
    }
    return true;
}

/* Whether a VM is known to have it to itself; told without a clock. */
static __always_inline bool is_alone(const struct vp_device* device, __u64 start_ns) {
    return device->owner == start_ns && !device->shared_ns;
}

/* As is_shared(), for a VM, which is seen to be there. */
static __always_inline bool is_shared_by_vm(struct vp_device* device, __u64 start_ns,
                                            __u64 now_ns) {
    if ((__s64)(now_ns - device->vm_ns) > (__s64)VP_OWNER_REFRESH_NS) device->vm_ns = now_ns;
    return is_shared(device, start_ns, now_ns);
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

/* Where a whole request's time went. */
static __always_inline void count_time(struct vp_block* block, __u32 op, __u64 queued_ns,
                                       __u64 issued_ns, __u64 now_ns) {
    __u64 queue_ns = issued_ns > queued_ns ? issued_ns - queued_ns : 0;
    __u64 device_ns = now_ns > issued_ns ? now_ns - issued_ns : 0;
    __u32 bucket = log2_bucket(queue_ns + device_ns, VP_LATENCY_FIRST_SHIFT, VP_LATENCY_BUCKETS);
    if (op == REQ_OP_READ) {
        __sync_fetch_and_add(&block->read_queue_ns, queue_ns);
        __sync_fetch_and_add(&block->read_device_ns, device_ns);
        if (bucket < VP_LATENCY_BUCKETS) __sync_fetch_and_add(&block->read_latency[bucket], 1);
    } else if (op == REQ_OP_DISCARD) {
        __sync_fetch_and_add(&block->discard_ns, queue_ns + device_ns);
    } else if (op & 1) {
        __sync_fetch_and_add(&block->write_queue_ns, queue_ns);
        __sync_fetch_and_add(&block->write_device_ns, device_ns);
        if (bucket < VP_LATENCY_BUCKETS) __sync_fetch_and_add(&block->write_latency[bucket], 1);
    }
}

/* The device's time that a request took which came at `arrival_ns` and ends now: from the
 * completion before, or from its own coming where that was later; and, where it came before all
 * that the device is known to have been at since, also up to there. The exchange gives each moment
 * to one completion, whatever other CPUs do; region_start_ns can be a little old when two complete
 * at once, and with it one slice. */
static __always_inline __u64 serve(struct vp_device* device, __u64 arrival_ns, __u64 now_ns) {
    __u64 last_ns = __sync_lock_test_and_set(&device->last_end_ns, now_ns);
    __u64 region_ns = device->region_start_ns;
    __u64 slice_ns = 0;
    if (arrival_ns >= last_ns) {
        device->region_start_ns = arrival_ns;
        if (now_ns > arrival_ns) slice_ns = now_ns - arrival_ns;
    } else {
        if (now_ns > last_ns) slice_ns = now_ns - last_ns;
        if (region_ns > arrival_ns) {
            slice_ns += region_ns - arrival_ns;
            device->region_start_ns = arrival_ns;
        }
    }
    __sync_fetch_and_add(&device->served_ns, slice_ns);
    return slice_ns;
}

#endif
