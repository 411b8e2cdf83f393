/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The few kernel types that are read, as partial structs: the loader finds where each member is in
 * the kernel that runs (CO-RE). Integers are unsigned: then it also finds out how wide they are
 * (on_cpu and on_rq are no longer of 4 bytes in 7.3), while it refuses a signed one of another
 * width. Each says the kernels that it was checked on; a member that not all of them have is asked
 * for with bpf_core_field_exists. */
#ifndef VIRTPULSE_BPF_KERNEL_H
#define VIRTPULSE_BPF_KERNEL_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#define KERNEL_TYPE __attribute__((preserve_access_index))

struct rq;

/* A control group's queue on one CPU; what has to do with throttling, with CONFIG_CFS_BANDWIDTH. */
struct cfs_rq {
    struct rq* rq;                   /* with CONFIG_FAIR_GROUP_SCHED */
    __u64 throttled_clock_self;      /* since 6.6: when its tasks began to be kept from running, */
    __u64 throttled_clock_self_time; /*   or 0; and how long they were before, of rq.clock */
    __u64 throttled_clock_pelt;      /* 5.19 - 6.18: the same for the whole queue, */
    __u64 throttled_clock_pelt_time; /*   of rq.clock_pelt less rq.lost_idle_time */
    unsigned int throttle_count;     /* of this group and those above it */
} KERNEL_TYPE;

/* A CPU's queue. `clock` is what sched_info's figures are differences of. */
struct rq {
    struct task_struct* curr;
    unsigned int nr_running; /* tasks that run or wait to */
    __u64 clock;
    __u64 clock_pelt;
    unsigned long lost_idle_time;
    unsigned int cpu; /* with CONFIG_SMP */
} KERNEL_TYPE;        /* 6.1 - 6.18 */

struct sched_entity {
    __u64 sum_exec_runtime;
    struct cfs_rq* cfs_rq;       /* with CONFIG_FAIR_GROUP_SCHED */
    unsigned char sched_delayed; /* since 6.12 */
} KERNEL_TYPE;                   /* 6.1 - 6.18 */

/* With CONFIG_SCHED_INFO, which schedstats, delay accounting and every distribution turn on. */
struct sched_info {
    unsigned long pcount;
    unsigned long long run_delay;
    unsigned long long last_queued; /* 0: it does not wait */
} KERNEL_TYPE;                      /* 6.1 - 6.18 */

struct kernfs_node {
    __u64 id; /* the inode number of the directory; 64 bits since 5.5 */
} KERNEL_TYPE;

struct cgroup {
    struct kernfs_node* kn;
} KERNEL_TYPE;

struct cgroup_subsys_state {
    struct cgroup* cgroup;
    struct cgroup_subsys_state* parent; /* NULL: of the root */
} KERNEL_TYPE;

enum cgroup_subsys_id { io_cgrp_id = 3 }; /* the value is the running kernel's */

struct css_set {
    struct cgroup_subsys_state* subsys[4]; /* the length is the running kernel's */
} KERNEL_TYPE;

struct bpf_local_storage;

struct task_struct {
    unsigned int __state; /* `state` before 5.14 */
    unsigned int flags;
    unsigned int on_cpu; /* with CONFIG_SMP */
    unsigned int on_rq;
    bool throttled; /* since 6.18: its group's quota keeps this very task from running */
    unsigned int pid;
    unsigned int tgid;
    __u64 start_boottime; /* since 5.5 */
    struct task_struct* group_leader;
    struct sched_entity se;
    struct sched_info sched_info;
    struct css_set* cgroups;
    struct bpf_local_storage* bpf_storage; /* since 5.11 */
    char comm[16];
} KERNEL_TYPE; /* 6.1 - 6.18 */

#define PF_KTHREAD 0x00200000 /* since 2.6.27 */
#define ON_RQ_MIGRATING 2     /* 3.18 - 6.18; task_struct.on_rq on its way from CPU to CPU */
#define TASK_DEAD 0x00000080  /* 4.20 - 6.18; set for the last switch of a task, never before */

struct linux_binprm;

struct request_queue;
struct blk_mq_ops;

struct gendisk {
    unsigned int major;
    unsigned int first_minor;
    struct request_queue* queue;
} KERNEL_TYPE;

struct request_queue {
    const struct blk_mq_ops* mq_ops; /* NULL: it takes bios and makes no requests */
    unsigned long queue_flags;
    struct gendisk* disk; /* since 5.15 */
} KERNEL_TYPE;

#define QUEUE_FLAG_WC 17 /* 6.1 - 6.10; it has a cache that flushes write out */

struct blkcg {
    struct cgroup_subsys_state css;
} KERNEL_TYPE;

struct blkcg_gq {
    struct blkcg* blkcg;
} KERNEL_TYPE;

struct block_device {
    struct gendisk* bd_disk;
} KERNEL_TYPE;

struct bio {
    struct block_device* bi_bdev; /* since 5.12 */
    unsigned int bi_opf;
    void* bi_private;
    void* bi_end_io;
    struct blkcg_gq* bi_blkg; /* with CONFIG_BLK_CGROUP */
} KERNEL_TYPE;

/* Of device mapper and dm-crypt, which are modules. 6.1 - 6.17 */
struct dm_io {
    struct bio* orig_bio;
} KERNEL_TYPE;

struct dm_target_io {
    struct dm_io* io;
    struct bio clone;
} KERNEL_TYPE;

struct dm_crypt_io {
    struct bio* base_bio;
} KERNEL_TYPE;

/* Of md, which is a module. */
struct mddev {
    struct bio* flush_bio; /* 6.1 - 6.11; what its disks are being flushed for */
} KERNEL_TYPE;

struct md_rdev {
    struct mddev* mddev;
} KERNEL_TYPE;

enum mq_rq_state { MQ_RQ_IDLE = 0, MQ_RQ_IN_FLIGHT = 1, MQ_RQ_COMPLETE = 2 };

struct request {
    struct request_queue* q;
    struct bio* bio;
    unsigned int cmd_flags;
    unsigned int __data_len;
    __u64 start_time_ns;    /* CLOCK_MONOTONIC; 0 without iostats and scheduler, as is the next */
    __u64 io_start_time_ns; /* when last issued; also 0 where nobody asked the queue for it */
    enum mq_rq_state state;
} KERNEL_TYPE; /* 6.1 - 6.18 */

#define REQ_OP_MASK 0xff /* since 4.10 */
#define REQ_OP_READ 0
#define REQ_OP_FLUSH 2
#define REQ_OP_DISCARD 3
#define REQ_OP_DRV_IN 34 /* pass-through from here on: 34, 35 since 5.13 */

enum req_flag_bits {
    __REQ_FUA = 1,
    __REQ_PREFLUSH = 2,
    __REQ_SYNC = 3
}; /* the values are the running kernel's */

struct bpf_iter_meta;

struct bpf_iter__task {
    struct bpf_iter_meta* meta;
    struct task_struct* task;
} KERNEL_TYPE;

#endif
