/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the maps hold: the contract between the kernel side (C) and the agent (C++). Includes only
 * fixed-width types. A change of layout or meaning raises VP_LAYOUT_VERSION, which names the
 * directory of the pins, so that an agent never reads counters that another version wrote:
 * reuse of a pinned map compares sizes, not fields. */
#ifndef VIRTPULSE_BPF_RECORDS_H
#define VIRTPULSE_BPF_RECORDS_H

#include <linux/types.h>

#define VP_LAYOUT_VERSION 4

/* 1000 VMs with 12 threads each fill 37 % of the table, where a search of 16 places all but never
 * fails (it is counted when it does). 32768 records of 64 bytes: 2 MiB. A power of two. */
#define VP_MAX_THREADS 32768
#define VP_THREAD_PROBES 16

#define VP_MAX_VMS 4096      /* processes; 4096 * 152 bytes */
#define VP_MAX_CGROUPS 16384 /* some four directories a VM */
#define VP_MAX_BLOCK 8192    /* VM and device; 2 disks a VM for the most VMs; 4.3 MB */
#define VP_MAX_VCPUS 8192    /* 1000 VMs with 4 each fill half of it; 5.5 MiB; a power of two */
#define VP_VCPU_PROBES 16
#define VP_MAX_DEVICES 1024   /* whole disks that VMs used; 1024 * 128 bytes. A power of two */
#define VP_MAX_REQUESTS 16384 /* in flight at once on the host and owned by VMs */

/* Anybody can run programs with a hypervisor's name, so what is kept of processes that only have
 * the name is bounded: a quarter of the rows, more than start between two samples; an eighth of the
 * records. A VM beyond these bounds is found by the agent, and is counted from then on. Nor do the
 * threads of one VM take more than an eighth. */
#define VP_MAX_VM_THREADS 4096
#define VP_MAX_UNCONFIRMED_VMS 1024
#define VP_MAX_UNCONFIRMED_THREADS 4096

#define VP_COMM_LEN 16

/* /proc gives a process's start in clock ticks, 100 a second on all but Alpha. A row that the agent
 * made has its start from there, one that the kernel side made has it in nanoseconds. */
#define VP_TICK_NS 10000000

#ifdef __cplusplus
#define VP_ASSERT(condition) static_assert(condition, #condition)
#else
#define VP_ASSERT(condition) _Static_assert(condition, #condition)
#endif

/* What a VM's thread is for, told by the name that qemu and the kernel give it. */
#define VP_ROLE_EMULATOR 0
#define VP_ROLE_VCPU 1 /* "CPU 3/KVM" */
#define VP_ROLE_IO 2   /* "IO iothread1" */
#define VP_ROLE_VHOST 3
#define VP_ROLES 4

/* One process that runs a VM. Map `vms`, key: tgid. Times of the clock CLOCK_BOOTTIME. */
struct vp_vm {
    __u64 start_ns;          /* start of the process; with the tgid its identity */
    __u64 since_ns;          /* when counting began; start_ns where it was seen to begin */
    __u64 ended_ns;          /* when its last thread ended; 0 while it lives */
    __u64 base_run_ns;       /* what its threads had used before since_ns: */
    __u64 base_run_delay_ns; /*   to be taken off the sums */
    __u64 base_switches;
    __u64 base_role_ns[VP_ROLES]; /* base_run_ns by VP_ROLE_* */
    __u64 ended_run_ns;           /* what its ended threads used in their lives: */
    __u64 ended_run_delay_ns;     /*   to be added to the sums */
    __u64 ended_switches;
    __u64 ended_role_ns[VP_ROLES]; /* ended_run_ns by VP_ROLE_* */
    __u32 threads;                 /* living ones with a record */
    __u32 unadopted; /* living ones without a record; the agent adopts when it grows */
    __u32 confirmed; /* 1: the agent found it to be a VM; 0: the process only has the name of one */
    __u32 pad0;
};
VP_ASSERT(sizeof(struct vp_vm) == 152);

/* How many rows and records there are of processes that the agent has not confirmed as VMs. Map
 * `unconfirmed`, one entry; the agent counts them again now and then. */
struct vp_unconfirmed {
    __s32 vms;
    __s32 threads;
};
VP_ASSERT(sizeof(struct vp_unconfirmed) == 8);

/* Argument of vp_confirm_vm. */
struct vp_confirmation {
    __u64 start_ns;
    __u32 tgid;
    __u32 threads_told;  /* vp_vm.threads as the agent read it, */
    __u32 threads_found; /*   and how many records it found: set unless it has changed since */
    __u32 pad0;
};
VP_ASSERT(sizeof(struct vp_confirmation) == 24);

/* Argument of vp_retire_lost: a record whose thread has gone. */
struct vp_lost_thread {
    __u64 start_ns;
    __u32 tid;
    __u32 place; /* in `threads` */
};
VP_ASSERT(sizeof(struct vp_lost_thread) == 16);

/* One thread of a VM. Map `threads`, a hash table in an array: a thread's record is at one of
 * VP_THREAD_PROBES places from vp_thread_place(tid). The figures are the kernel's own, copied each
 * time the thread leaves a CPU: a switch that is not seen is made good by the next. One writer at
 * a time, the CPU that the thread leaves, so no atomics. */
struct vp_thread {
    __u32 tid; /* 0: free; VP_TID_CLAIMED: being filled */
    __u32 tgid;
    __u64 start_ns;         /* start of the thread */
    __u64 run_ns;           /* on a CPU, in its whole life (se.sum_exec_runtime) */
    __u64 run_delay_ns;     /* waiting for one (sched_info.run_delay less phantom_ns) */
    __u64 switches;         /* times put on one (sched_info.pcount) */
    __u32 on_cpu;           /* CPU that it is on now, plus 1; 0: it sleeps; VP_TID_CLAIMED: it runs
                             * or waits to: the kernel's own figure is newer than run_ns, or not */
    __u16 role;             /* VP_ROLE_*, by the name it had when it last left a CPU */
    __u16 unconfirmed;      /* 1: of a process that only has the name of a VM */
    char comm[VP_COMM_LEN]; /* when it was last adopted or born */
};
VP_ASSERT(sizeof(struct vp_thread) == 64);
#define VP_TID_CLAIMED 0xffffffffu

/* Where the search for a thread's record begins. Knuth's multiplicative hash spreads the runs of
 * consecutive tids that VMs get. */
static inline __u32 vp_thread_place(__u32 tid) {
    return (tid * 2654435761u) >> 17; /* the top 15 bits: below VP_MAX_THREADS */
}
VP_ASSERT(VP_MAX_THREADS == 1 << 15);

/* Waits for a CPU, each from when the thread became runnable to when it ran, by length: bucket 0
 * under 2^10 ns, bucket k from 2^(9+k) to under 2^(10+k), the last one 2^32 ns (4.3 s) and over. */
#define VP_WAIT_FIRST_SHIFT 10
#define VP_WAIT_BUCKETS 24

/* To whom waiting is charged: who had the CPU meanwhile. */
#define VP_BY_UNKNOWN                                                                             \
    0                    /* a lost event, more slices ago than a CPU remembers, or a CPU that was \
                          * kept idle (VP_SLICE_HELD) */
#define VP_BY_QUOTA 1    /* nobody: its own cgroup's CPU quota was used up */
#define VP_BY_OWN_VCPU 2 /* another vCPU of the same VM */
#define VP_BY_OWN_EMULATOR 3 /* another thread of the same VM */
#define VP_BY_OWN_IO 4       /* an I/O thread of the same VM, or a vhost worker */
#define VP_BY_KERNEL 5       /* kernel threads */
#define VP_BY_IDLE 6         /* nobody: the CPU slept and had to wake, or served interrupts */
#define VP_BY_HOST 7         /* processes that are no VMs; which ones: see `culprits` */
#define VP_BY_VM 8           /* other VMs; likewise */
#define VP_BYS 9

struct vp_share {
    __u64 ns;
    __u64 waits; /* of which it had a part */
};

/* All waits of a thread: as many as `counts` and `merged` sum up to, and as long as `by` does,
 * which is what sched_info.pcount and, with phantom_ns, run_delay grew by. */
struct vp_history {
    __u64 phantom_ns; /* slept, which the kernel counts as waited: see vp_migrate_task */
    __u64 merged;     /* waits whose single length is not known, as their end was not seen */
    __u64 moves;      /* times put on another CPU than before */
    __u64 node_moves; /*   and on one of another NUMA node */
    struct vp_share by[VP_BYS];
    __u64 counts[VP_WAIT_BUCKETS];
};
VP_ASSERT(sizeof(struct vp_history) == 368);

/* What a thread waited for another VM and is in no row of `culprits` yet. A thread mostly waits for
 * one other, so that the row, which all threads of its VM share, is written when that changes. */
struct vp_pending {
    __u64 ns;
    __u32 waits;
    __u32 tgid; /* of the VM that ran; 0: nothing is pending */
};
VP_ASSERT(sizeof(struct vp_pending) == 16);

/* What a thread waited for. Map `waits`, at the thread's place in `threads`, written by the same
 * CPU at a time. 32768 of them: 14 MiB. What each switch needs is in the first cache line. Map
 * `ended_waits`, key tgid: the sum over a VM's ended threads. */
struct vp_wait {
    struct vp_pending pending;
    __u64 moved_ns;      /* what it has waited on other CPUs in the wait that goes on */
    __u64 quota_base_ns; /* throttled time of its group when it left its CPU, or VP_QUOTA_* */
    __u64 left_ns;       /*   and when that was, of rq.clock */
    __u32 cpu_plus_1;    /* where it ran last */
    __u16 node;
    __u16 asleep; /* the kernel takes it for waiting, but it sleeps */
    struct vp_history all;
    __u64 pad0[4];
};
VP_ASSERT(sizeof(struct vp_wait) == 448);
#define VP_QUOTA_NO ((__u64)-1)  /* the wait cannot be for a quota */
#define VP_QUOTA_ALL ((__u64)-2) /* it was moved while it was throttled, and still is */

/* Who took the CPU from whom. Map `culprits`. Host processes are told apart by their name alone, so
 * that a thousand short-lived ones of one name are one row. */
struct vp_culprit_key {
    __u32 victim;           /* tgid of the VM that waited */
    __u32 tgid;             /* of the VM that ran; 0: a host process */
    char comm[VP_COMM_LEN]; /* of the host process; empty for a VM */
};
VP_ASSERT(sizeof(struct vp_culprit_key) == 24);
#define VP_MAX_CULPRITS 65536 /* 200 VMs that all wait for each other are 40,000; 8 MB */

struct vp_culprit {
    __u64 ns;
    __u64 waits;     /* of which it had a part */
    __u64 last_wait; /* mark of the wait that was charged last, to count each once */
    __u32 last_tgid; /* one process of this name, the last that was charged */
    __u32 pad0;
};
VP_ASSERT(sizeof(struct vp_culprit) == 32);

/* The last slices of time on a CPU. Map `cpus`, key: number of the CPU. The newest in the order in
 * which they were, those before them added up where they are short: see bpf/slices.h. */
#define VP_SLICES 64     /* a power of two; with 3 ms a slice 200 ms; 2 KiB a CPU */
#define VP_OLD_SLICES 64 /* likewise */
struct vp_slice {
    __u64 owner; /* tgid << 32 | VP_SLICE_* */
    __u64 ns;
    char comm[VP_COMM_LEN]; /* of a host process */
};
#define VP_SLICE_IDLE 0
#define VP_SLICE_KERNEL 1
#define VP_SLICE_HOST 2
#define VP_SLICE_HELD 3 /* idle, though there was something to run: see vp_cpu.is_held */
#define VP_SLICE_VM 4   /* plus VP_ROLE_* */

/* Where a VM's thread that was on the CPU lately has its record. */
#define VP_HINTS 16 /* a power of two */
struct vp_hint {
    __u32 tid;
    __u32 place_plus_1;
};

struct vp_cpu {
    __u64 since_ns;     /* of rq.clock: when the slice began that goes on */
    __u32 head;         /* the newest of `slices`, */
    __u32 old_head;     /*   and of `old` */
    __u32 floor;        /* slices before this one are closed: nothing is added to them */
    __u32 tid;          /* who runs */
    __u32 place_plus_1; /*   and its place in `threads`; 0: no VM's thread */
    __u32 node;         /* NUMA node, written by the agent */
    __u16 unsure;       /* who runs has storage, and whether a mark was not to be told */
    __u16 is_held;   /* the idle task was picked though others were runnable: core scheduling kept
                      * the CPU idle for its sibling's sake, or a sched_ext scheduler did */
    __u32 old_floor; /* as `floor`, of `old` */
    __u32 pad0[6];
    struct vp_hint hints[VP_HINTS];
    struct vp_slice slices[VP_SLICES];
    struct vp_slice old[VP_OLD_SLICES];
};
VP_ASSERT(sizeof(struct vp_cpu) == 64 + 8 * VP_HINTS + 32 * (VP_SLICES + VP_OLD_SLICES));

/* Whose process: value of `cgroups` (key: cgroup id, the inode number of its directory). */
struct vp_owner {
    __u64 start_ns;
    __u32 tgid;
    __u32 pad0;
};
VP_ASSERT(sizeof(struct vp_owner) == 16);

/* Key of `vm_block`. */
struct vp_block_key {
    __u64 start_ns;
    __u32 tgid;
    __u32 dev; /* of the whole disk: major << 20 | minor */
};
VP_ASSERT(sizeof(struct vp_block_key) == 16);

/* Latencies are counted in buckets that double in width: bucket 0 below VP_LATENCY_FIRST_NS, the
 * last from 17 s on, with no upper bound (wire/histogram.h has the exact bounds). */
#define VP_LATENCY_FIRST_SHIFT 12
#define VP_LATENCY_FIRST_NS (1 << VP_LATENCY_FIRST_SHIFT)
#define VP_LATENCY_BUCKETS 24

/* Block I/O of one VM on one device, counted at completion as /proc/diskstats does. Many CPUs
 * write at once: atomic additions. A request is queued from where the block layer made it
 * (rq->start_time_ns, which diskstats' times count from) to where the driver got it last, and at
 * the device from there to its completion. */
struct vp_block {
    /* Requests in flight in the low 16 bits; above them, while there are any, since when, in units
     * of 1024 ns of CLOCK_MONOTONIC. One word, so that both change together without a lock. */
    __u64 in_flight_since;
    __u64 busy_ns; /* with at least one request in flight, up to in_flight_since */
    __u64 read_ops;
    __u64 read_bytes;
    __u64 write_ops;
    __u64 write_bytes;
    __u64 discard_ops;
    __u64 discard_bytes;
    __u64 flush_ops; /* requests that asked for the device's cache to be written out */
    __u64 read_queue_ns;
    __u64 read_device_ns;
    __u64 write_queue_ns;
    __u64 write_device_ns;
    __u64 discard_ns;  /* queued and at the device, as is the next */
    __u64 flush_ns;    /* of flushes without data */
    __u64 served_ns;   /* the device's time that went to this VM: see vp_device */
    __u64 ahead_ns;    /* of its requests' time, what the device gave to others meanwhile */
    __u64 untimed_ops; /* of the operations, those whose beginning or end was not seen */
    __u64 read_latency[VP_LATENCY_BUCKETS]; /* queued and at the device */
    __u64 write_latency[VP_LATENCY_BUCKETS];
};
VP_ASSERT(sizeof(struct vp_block) == 144 + 2 * 8 * VP_LATENCY_BUCKETS);

/* Whom one device served. Map `devices`, a hash table in an array, as its rows are never removed: a
 * device's is at one of VP_DEVICE_PROBES places from vp_device_place(dev). A row is made by a VM's
 * first request. Device time is apportioned as if requests were served one at a time: each
 * completion gets the time since the one before, or since its own request came where that was
 * later. It is only kept while two owners share the device: VMs, or a VM and the host. */
struct vp_device {
    __u32 dev;       /* as vp_block_key.dev; 0: a free place */
    __u32 unstamped; /* the kernel does not say when its requests were queued (no iostats) */
    /* CLOCK_MONOTONIC. All of this cache line is written once in a while, and not per request. */
    __u64 owner;     /* of a recent request: start of a VM's process, or VP_OWNER_HOST */
    __u64 shared_ns; /* when a request was seen that is not of the `owner` before; 0: not lately */
    __u64 vm_ns;     /* when a VM was seen here, some seconds old at most */
    __u64 pad1[4];
    __u64 last_end_ns;     /* CLOCK_MONOTONIC, of the newest completion */
    __u64 region_start_ns; /* from here to last_end_ns it was never without a request */
    __u64 served_ns;       /* all: that of VMs (vp_block.served_ns) and the next two */
    __u64 host_ns;         /* not attributable to a VM */
    __u64 nobody_ns;       /* write-back that belongs to no cgroup, and the device's own flushes */
    __u64 pad2[3];
};
VP_ASSERT(sizeof(struct vp_device) == 128);
#define VP_DEVICE_PROBES 16
#define VP_OWNER_HOST 1

/* For how long an owner that makes no more requests still counts as one of a device: requests that
 * wait for longer are told less of whom they waited for. The timeout of a SCSI command. */
#define VP_OWNER_STAYS_NS 30000000000ULL
#define VP_OWNER_REFRESH_NS 2000000000ULL /* how old its marks may become meanwhile */

/* Where the search for a device's row begins. */
static inline __u32 vp_device_place(__u32 dev) {
    return (dev * 2654435761u) >> 22; /* the top 10 bits: below VP_MAX_DEVICES */
}
VP_ASSERT(VP_MAX_DEVICES == 1 << 10);

/* One request of a VM. Map `requests`, key: address of the kernel's request; on kernels without
 * block_io_start, until it is issued, that of its first bio. */
struct vp_request {
    __u64 queued_ns;        /* CLOCK_MONOTONIC, as is the next */
    __u64 issued_ns;        /* 0: not at the device yet, or given back by it */
    __u64 start_ns;         /* of the VM's process */
    __u64 device_before_ns; /* vp_device.served_ns and vp_block.served_ns when it was queued; */
    __u64 own_before_ns;    /*   VP_NOT_SHARED: nobody else was there then */
    __u32 tgid;
    __u32 dev;
    __u32 op;    /* REQ_OP_* */
    __u32 bytes; /* not completed yet */
};
VP_ASSERT(sizeof(struct vp_request) == 56);
#define VP_NOT_SHARED ((__u64)-1)

/* Argument of vp_expire_request: an entry of `requests` as the agent found it. */
struct vp_expiry {
    __u64 request; /* its key */
    __u64 queued_ns;
    __u64 issued_ns;
};
VP_ASSERT(sizeof(struct vp_expiry) == 24);

/* Exits of one vCPU for one reason. */
struct vp_exit_sum {
    __u64 exits;
    __u64 outside_ns; /* from the exits to the next entries, whatever was done meanwhile */
};

/* What one vCPU thread has counted and is at. Map `vcpus`, a hash table in an array: the record of
 * a thread is at one of VP_VCPU_PROBES places from vp_vcpu_place(tid). Written by its thread alone,
 * so no atomics; whole cache lines, so that no two vCPUs share one. The record stays after its
 * thread has ended, until the agent adds it to another ended one of the VM, or the VM is gone. */
#define VP_EXIT_SLOTS 32
struct vp_vcpu {
    /* At each exit. */
    __u32 tid; /* 0: free; VP_TID_CLAIMED: being filled */
    __u32 tgid;
    __u64 start_ns; /* of the VM's process */
    __u16 isa;      /* whose numbers the reasons are: VP_ISA_* */
    __u16 slot;     /* of the last exit */
    __u32 pad0;
    __u64 entered_ns;    /* CLOCK_MONOTONIC; 0: it is outside */
    __u64 left_ns;       /* likewise; 0: it is inside */
    __u64 guest_ns;      /* in the guest before the exits */
    __u64 halts_seen_ns; /* sum of the three below, to notice that one of them grew */
    __u64 pad1;
    /* After a halt. The kernel's own sums for the vCPU at its last entry, and what they grew by. */
    __u64 poll_ok_seen_ns;
    __u64 poll_wasted_seen_ns;
    __u64 wait_seen_ns;
    __u64 halt_poll_ns;        /* of the time outside, polling for a wake-up, with a CPU */
    __u64 halt_poll_wasted_ns; /* of that, in vain: the vCPU went to sleep after all */
    __u64 halt_wait_ns;        /* of the time outside, asleep until a wake-up */
    __u64 pad2[2];
    /* A hash table: slot -> reason as the CPU says it, plus 1; 0: free. The last slot is that of
     * VP_EXIT_OTHER, for reasons that find no other. */
    __u16 reasons[VP_EXIT_SLOTS];
    struct vp_exit_sum by_reason[VP_EXIT_SLOTS]; /* by slot */
};
VP_ASSERT(sizeof(struct vp_vcpu) == 64 * 11);
#define VP_ISA_VMX 1           /* as the kernel's kvm_exit says it: Intel */
#define VP_ISA_SVM 2           /* AMD */
#define VP_EXIT_UNKNOWN 0xfffe /* the kernel does not tell the reason */
#define VP_EXIT_OTHER 0xfffd
#define VP_EXIT_PROBES 16

/* Where the search for a vCPU's record begins, as vp_thread_place(). */
static inline __u32 vp_vcpu_place(__u32 tid) {
    return (tid * 2654435761u) >> 19; /* the top 13 bits: below VP_MAX_VCPUS */
}
VP_ASSERT(VP_MAX_VCPUS == 1 << 13);

/* What found no place or went wrong, since the maps were made. Map `failures`, one entry. */
struct vp_failures {
    __u64 threads_full;     /* a thread found none of its places free, or its VM has too many */
    __u64 vms_full;         /* a VM process found no room in `vms` */
    __u64 storage_refused;  /* the kernel gave a thread no storage */
    __u64 waits_full;       /* an ended thread's VM found no room in `ended_waits` */
    __u64 culprits_full;    /* a pair found no room in `culprits` */
    __u64 block_full;       /* a VM and device found no room in `vm_block` */
    __u64 requests_full;    /* a request found no room in `requests` */
    __u64 busy_contended;   /* in_flight_since changed under our hands VP_BUSY_TRIES times */
    __u64 lost_completions; /* requests whose end was not seen; counted when that was noticed */
    __u64 devices_full;     /* a device found no room in `devices` */
    __u64 vcpus_full;       /* a vCPU found none of its places free */
    __u64 unconfirmed_full; /* a process was one too many for VP_MAX_UNCONFIRMED_VMS */
    __u64 lost_issues;      /* requests that ended well and were never seen to be issued */
};
VP_ASSERT(sizeof(struct vp_failures) == 104);
#define VP_BUSY_TRIES 8

/* What agents agree on from one to the next. Map `agents`, one entry; 0: no agent said it yet. */
struct vp_agents {
    /* CLOCK_REALTIME less CLOCK_BOOTTIME when the first one began, so that what a frame says of
     * `since_ns` is the same number after a restart, though the clocks drift apart. */
    __u64 boot_to_epoch_ns;
};
VP_ASSERT(sizeof(struct vp_agents) == 8);

#endif
