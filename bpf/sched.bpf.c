// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who ran, and how long each VM's threads waited to, and for whom. */
#include "bpf/retire.h"
#include "bpf/slices.h"
#include "bpf/waits.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* The queue of the CPU that a task is on, whatever the task's class. Not by the symbol `runqueues`,
 * which kernels without CONFIG_KALLSYMS_ALL do not let programs have. */
static __always_inline const struct rq* queue_of(const struct task_struct* task) {
    return task->se.cfs_rq->rq;
}

/* For whom a wait is charged by pair: for no process that only has the name of a VM. */
static __always_inline __u32 victim_of(const struct vp_thread* thread) {
    return thread->unconfirmed ? 0 : thread->tgid;
}

static __always_inline struct vp_wait* wait_at(__u32 place_plus_1) {
    __u32 place = place_plus_1 - 1;
    return bpf_map_lookup_elem(&waits, &place);
}

/* Of the slice of a task that is no VM's thread. */
static __always_inline __u64 owner_of(const struct task_struct* task, const struct vp_cpu* cpu) {
    if (task->flags & PF_KTHREAD) {
        if (task->pid) return VP_SLICE_KERNEL;
        return cpu->is_held ? VP_SLICE_HELD : VP_SLICE_IDLE;
    }
    return (__u64)task->tgid << 32 | VP_SLICE_HOST;
}

/* A process that only has the name of a VM is a host process like any other. */
static __always_inline __u64 owner_of_vm(const struct task_struct* task, const struct vp_cpu* cpu,
                                         const struct vp_thread* thread, __u32 role) {
    if (thread->unconfirmed) return owner_of(task, cpu);
    return (__u64)thread->tgid << 32 | (VP_SLICE_VM + role);
}

/* The slice that goes on now on a CPU whose lock is held. */
static __always_inline void running_slice(const struct vp_cpu* cpu, const struct rq* rq,
                                          struct vp_slice* slice) {
    const struct task_struct* task = rq->curr;
    if (!task || (__u32)task->pid != cpu->tid || rq->clock <= cpu->since_ns) return;
    struct vp_slot slot = {.place_plus_1 = cpu->place_plus_1};
    const struct vp_thread* thread = cpu->place_plus_1 ? thread_record(&slot, task->pid) : 0;
    slice->owner = thread ? owner_of_vm(task, cpu, thread, role_of(task)) : owner_of(task, cpu);
    slice->ns = rq->clock - cpu->since_ns;
    if ((__u32)slice->owner == VP_SLICE_HOST) copy_process_comm(slice->comm, task);
}

/* A VM's thread leaves its CPU; false: `place_plus_1` is no record of it. Inlined as all that a
 * switch needs: where the CPU's return predictor is not trusted, a call costs 10 to 25 ns. */
static __always_inline bool leave(struct vp_cpu* cpu, struct task_struct* task, __u32 place_plus_1,
                                  __u64 slice_ns) {
    struct vp_slot slot = {.place_plus_1 = place_plus_1};
    struct vp_thread* thread = thread_record(&slot, task->pid);
    struct vp_wait* wait = wait_at(place_plus_1);
    if (!thread || !wait) return false;
    const __u32 role = role_of(task);
    end_slice(cpu, owner_of_vm(task, cpu, thread, role), slice_ns, task);
    cpu->floor = cpu->head + 1;
    thread->run_ns = task->se.sum_exec_runtime;
    /* One that would run on is back before long, and its coming may not be told: there are kernels
     * that tell of no switch away from the threads of process 1. */
    thread->on_cpu = task->__state ? 0 : VP_TID_CLAIMED;
    thread->role = role;
    catch_up(task, thread, &wait->all);
    if (!waits_left_out) {
        wait->quota_base_ns = quota_base(task, queue_of(task), cpu->since_ns);
        wait->left_ns = cpu->since_ns;
    }
    /* Not at sched_process_exit: a thread still uses its CPU from there to here. */
    if (task->__state & TASK_DEAD) retire(thread, wait, task->pid);
    return true;
}

/* A VM's thread comes onto a CPU; false: `place_plus_1` is no record of it. The kernel adds the end
 * of its wait to run_delay only after this tracepoint, by this same clock. */
static __always_inline bool arrive(struct vp_cpu* cpu, struct task_struct* task, __u32 place_plus_1,
                                   __u32 number) {
    struct vp_slot slot = {.place_plus_1 = place_plus_1};
    struct vp_thread* thread = thread_record(&slot, task->pid);
    struct vp_wait* wait = wait_at(place_plus_1);
    if (!thread || !wait || thread->start_ns != task->start_boottime) return false;
    cpu->place_plus_1 = place_plus_1;
    struct vp_history* all = &wait->all;
    const __u64 clock = cpu->since_ns;
    const __u64 queued = task->sched_info.last_queued;
    const bool same_cpu = wait->cpu_plus_1 == number + 1;
    thread->on_cpu = number + 1;
    if (!same_cpu) {
        if (wait->cpu_plus_1) {
            ++all->moves;
            if (wait->node != cpu->node) ++all->node_moves;
        }
        wait->cpu_plus_1 = number + 1;
        wait->node = cpu->node;
    }
    if (task->sched_info.run_delay != thread->run_delay_ns + all->phantom_ns) {
        catch_up(task, thread, all);
    }
    if (!queued) return true;
    const __u64 waited = clock > queued ? clock - queued : 0;
    if (waits_left_out) {
        ++all->merged;
        ++thread->switches;
        if (!waited) return true;
        thread->run_delay_ns += waited;
        add_share(all, VP_BY_UNKNOWN, waited);
        return true;
    }
    if (wait->asleep) { /* how much of it, at its end, it did wait is not known */
        wait->asleep = 0;
        wait->moved_ns = 0;
        ++all->merged;
        ++thread->switches;
        all->phantom_ns += waited;
        return true;
    }
    ++all->counts[wait_bucket(wait->moved_ns + waited)];
    wait->moved_ns = 0;
    ++thread->switches;
    if (!waited) return true;
    thread->run_delay_ns += waited;
    const __u64 quota = quota_part(wait, task, queue_of(task), clock, waited, same_cpu);
    if (quota) add_share(all, VP_BY_QUOTA, quota);
    if (waited > quota) charge_wait(cpu, wait, victim_of(thread), waited - quota);
    return true;
}

/* Where a task's record is, plus 1; 0: it has none. */
static __always_inline __u32 place_of(struct task_struct* task) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    return slot ? slot->place_plus_1 : 0;
}

/* Of a task that is no VM's: whether it has storage of any kind, its name where its slice is a new
 * one. The arguments after `next` changed places in 5.18 and are not needed. */
SEC("tp_btf/sched_switch")
int BPF_PROG(vp_sched_switch, bool preempt, struct task_struct* prev, struct task_struct* next) {
    __u32 number = bpf_get_smp_processor_id();
    struct vp_cpu* cpu = bpf_map_lookup_elem(&cpus, &number);
    if (!cpu) return 0;
    const __u64 since_ns = cpu->since_ns;
    const __u64 clock = queue_of(prev)->clock;
    const __u64 slice_ns = since_ns ? clock - since_ns : 0;
    cpu->since_ns = clock;

    __u32 place_plus_1 = cpu->place_plus_1;
    const bool is_known = cpu->tid == prev->pid;
    if (!is_known || cpu->unsure || prev->__state & TASK_DEAD) {
        /* Its coming was not seen; or it became a VM's thread on its CPU and must not be missed. */
        const __u32 found = place_of(prev);
        if (found || !is_known) place_plus_1 = found;
    }
    if (!place_plus_1 || !leave(cpu, prev, place_plus_1, slice_ns)) {
        end_slice(cpu, owner_of(prev, cpu), slice_ns, prev);
    }

    cpu->tid = next->pid;
    cpu->place_plus_1 = 0;
    cpu->unsure = 0;
    if (!next->pid) cpu->is_held = queue_of(prev)->nr_running != 0;
    if (!next->bpf_storage) return 0;
    struct vp_hint* hint = &cpu->hints[next->pid % VP_HINTS];
    if (hint->tid == next->pid && arrive(cpu, next, hint->place_plus_1, number)) return 0;
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, next, 0, 0);
    if (!slot) {
        /* It has another's storage alone; or, before 6.2, a task that was pre-empted on this CPU
         * while it was at task storage keeps all others from it. Then it is asked for again when
         * it leaves: until then the agent does not know that a VM's thread runs, so that what it
         * uses is told at its next switch, and this wait counts as merged and unknown. */
        cpu->unsure = 1;
        return 0;
    }
    hint->tid = next->pid;
    hint->place_plus_1 = slot->place_plus_1;
    arrive(cpu, next, slot->place_plus_1, number);
    return 0;
}

/* A VM's thread that waits is moved to another CPU: what it has waited is charged to those that had
 * the CPU that it leaves, whose lock is held. The kernel has added it to run_delay already.
 *
 * Since 6.12 one that sleeps may stand in the queue for some time yet, and be moved. Then the
 * kernel (as of 6.18) takes it for waiting from here until it next runs, seconds later it may be.
 */
SEC("tp_btf/sched_migrate_task")
int BPF_PROG(vp_migrate_task, struct task_struct* task, int to) {
    if (task->on_rq != ON_RQ_MIGRATING || !task->bpf_storage) return 0;
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    struct vp_thread* thread = slot ? thread_record(slot, task->pid) : 0;
    if (!thread) return 0;
    struct vp_wait* wait = wait_at(slot->place_plus_1);
    const struct rq* rq = queue_of(task); /* still the old one */
    __u32 from = rq->cpu;
    struct vp_cpu* cpu = bpf_map_lookup_elem(&cpus, &from);
    const __u64 run_delay_ns = task->sched_info.run_delay;
    if (!wait || !cpu) return 0;
    const bool was_asleep = wait->asleep;
    wait->asleep = bpf_core_field_exists(task->se.sched_delayed) && task->se.sched_delayed;
    const __u64 known_ns = thread->run_delay_ns + wait->all.phantom_ns;
    if (run_delay_ns <= known_ns) return 0;
    const __u64 clock = rq->clock;
    const __u64 waited = run_delay_ns - known_ns;
    if (was_asleep) {
        wait->all.phantom_ns += waited;
        return 0;
    }
    thread->run_delay_ns += waited;
    wait->moved_ns += waited;
    const __u64 quota = quota_part(wait, task, rq, clock, waited, wait->cpu_plus_1 == from + 1);
    if (quota) add_share(&wait->all, VP_BY_QUOTA, quota);
    wait->quota_base_ns = quota == waited ? VP_QUOTA_ALL : VP_QUOTA_NO;
    if (waited > quota) {
        struct vp_slice running = {};
        running_slice(cpu, rq, &running);
        charge_slices(cpu, &wait->all, victim_of(thread), waited - quota, &running);
    }
    return 0;
}
