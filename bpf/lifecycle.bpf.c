// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* VM processes and their threads: born, found running, gone. Storage is given to a thread only
 * here, at fork and exec and by the iterator: in the scheduler's own tracepoints the locks are held
 * that an allocation may want. */
#include "bpf/retire.h"
#include "bpf/waits.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void copy_figures(struct task_struct* task, struct vp_thread* thread) {
    thread->run_ns = task->se.sum_exec_runtime;
    thread->run_delay_ns = task->sched_info.run_delay;
    thread->switches = task->sched_info.pcount;
}

/* Takes a free place for a thread of the process `tgid` and fills its record, with the figures as
 * they are now. */
static __always_inline struct vp_thread* claim(struct task_struct* task, __u32 tgid,
                                               const struct vp_vm* vm, __u32* place_plus_1) {
    __u32 first = vp_thread_place(task->pid);
    for (int i = 0; i < VP_THREAD_PROBES; ++i) {
        __u32 place = (first + i) & (VP_MAX_THREADS - 1);
        struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
        if (!thread || __sync_val_compare_and_swap(&thread->tid, 0, VP_TID_CLAIMED) != 0) continue;
        thread->tgid = tgid;
        thread->start_ns = task->start_boottime;
        copy_figures(task, thread);
        thread->on_cpu = 0;
        thread->role = role_of(task);
        thread->unconfirmed = !vm->confirmed;
        struct vp_wait* wait = bpf_map_lookup_elem(&waits, &place);
        if (wait) {
            __builtin_memset(wait, 0, sizeof(*wait));
            wait->quota_base_ns = VP_QUOTA_NO;
        }
        bpf_probe_read_kernel(thread->comm, sizeof(thread->comm), task->comm);
        __sync_lock_test_and_set(&thread->tid, task->pid); /* an exchange, so that it comes last */
        *place_plus_1 = place + 1;
        return thread;
    }
    count_failure(threads_full);
    return 0;
}

/* The place of a thread's record, plus 1, by its number and its start; 0 where it has none. */
static __always_inline __u32 place_of(__u32 tid, __u64 start_ns) {
    __u32 first = vp_thread_place(tid);
    for (int i = 0; i < VP_THREAD_PROBES; ++i) {
        __u32 place = (first + i) & (VP_MAX_THREADS - 1);
        struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
        if (thread && thread->tid == tid && thread->start_ns == start_ns) return place + 1;
    }
    return 0;
}

/* Brings the record up to date that a thread has from before this agent. Nobody else writes it, as
 * no mark leads to it yet. */
static __always_inline void renew(struct task_struct* task, const struct vp_vm* vm, __u32 place) {
    struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
    struct vp_wait* wait = bpf_map_lookup_elem(&waits, &place);
    if (!thread) return;
    thread->run_ns = task->se.sum_exec_runtime;
    thread->unconfirmed = !vm->confirmed;
    if (!wait) return;
    catch_up(task, thread, &wait->all);
    wait->moved_ns = 0;
    wait->quota_base_ns = VP_QUOTA_NO;
    wait->cpu_plus_1 = 0;
    wait->asleep = 0;
}

/* A thread of which the VM counts its whole life has waited before it had a record. */
static __always_inline void begin_history(__u32 place, const struct vp_thread* thread) {
    struct vp_wait* wait = bpf_map_lookup_elem(&waits, &place);
    if (!wait) return;
    wait->all.merged = thread->switches;
    wait->all.by[VP_BY_UNKNOWN].ns = thread->run_delay_ns;
    wait->all.by[VP_BY_UNKNOWN].waits = thread->switches;
}

/* Gives a thread that has none a record; its place plus 1, or 0. `is_counted`: what it has used so
 * far is in its VM's sums already. */
static __always_inline __u32 make_record(struct task_struct* task, __u32 tgid, struct vp_vm* vm,
                                         bool is_counted) {
    __u32 place_plus_1 = 0;
    if (!vm->confirmed) {
        const struct vp_unconfirmed* counts = unconfirmed_counts();
        if (!counts || counts->threads >= VP_MAX_UNCONFIRMED_THREADS) {
            __sync_fetch_and_add(&vm->unadopted, 1);
            return 0;
        }
    }
    if (vm->threads >= VP_MAX_VM_THREADS) {
        count_failure(threads_full);
        return 0;
    }
    struct vp_thread* thread = claim(task, tgid, vm, &place_plus_1);
    if (!thread) return 0;
    if (!vm->confirmed) count_unconfirmed(0, 1);
    __sync_fetch_and_add(&vm->threads, 1);
    if (is_counted || task->start_boottime < vm->since_ns) {
        __sync_fetch_and_add(&vm->base_run_ns, thread->run_ns);
        __sync_fetch_and_add(&vm->base_run_delay_ns, thread->run_delay_ns);
        __sync_fetch_and_add(&vm->base_switches, thread->switches);
        const __u32 role = thread->role;
        if (role < VP_ROLES) __sync_fetch_and_add(&vm->base_role_ns[role], thread->run_ns);
    } else {
        begin_history(place_plus_1 - 1, thread);
    }
    return place_plus_1;
}

static __always_inline void retire_at(__u32 place_plus_1, __u32 tid) {
    __u32 place = place_plus_1 - 1;
    struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
    struct vp_wait* wait = bpf_map_lookup_elem(&waits, &place);
    if (thread && wait) retire(thread, wait, tid);
}

/* Gives a thread of `vm`, the process `tgid`, its record and the mark that leads to it. The
 * iterator and the thread's birth may be at it at once: who takes the mark does it, and no record
 * is left that no mark leads to. */
static __always_inline void adopt(struct task_struct* task, __u32 tgid, struct vp_vm* vm,
                                  bool is_counted) {
    struct vp_slot* slot =
        bpf_task_storage_get(&thread_slots, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
    /* NULL also where another adopter made it meanwhile. */
    if (!slot) slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    if (!slot) {
        count_failure(storage_refused);
        __sync_fetch_and_add(&vm->unadopted, 1);
        return;
    }
    const __u32 before = slot->place_plus_1;
    if (before == VP_SLOT_TAKEN) return;
    struct vp_thread* thread = thread_record(slot, task->pid);
    if (thread) {
        bpf_probe_read_kernel(thread->comm, sizeof(thread->comm), task->comm);
        thread->unconfirmed = !vm->confirmed;
        return;
    }
    if (__sync_val_compare_and_swap(&slot->place_plus_1, before, VP_SLOT_TAKEN) != before) return;
    __u32 place_plus_1 = place_of(task->pid, task->start_boottime);
    if (place_plus_1) {
        renew(task, vm, place_plus_1 - 1);
    } else {
        place_plus_1 = make_record(task, tgid, vm, is_counted);
    }
    __sync_lock_test_and_set(&slot->place_plus_1, place_plus_1);
    if (!place_plus_1) return;
    /* After the mark is set: a thread that comes onto a CPU from here on says so itself. One that
     * leaves between the two lines seems to be on it until its next switch, which costs the agent
     * a look at /proc and no accuracy. */
    __u32 place = place_plus_1 - 1;
    thread = bpf_map_lookup_elem(&threads, &place);
    if (thread && task->on_cpu) thread->on_cpu = VP_TID_CLAIMED;
    /* Its last switch may not have seen the mark. */
    if (task->__state & TASK_DEAD) retire_at(place_plus_1, task->pid);
}

/* By the name that exec gives a process, that of its executable: qemu-system-*, qemu-kvm, kvm. The
 * agent looks closer (a qemu that is only asked for its version is no VM). */
static __always_inline bool is_hypervisor(const char comm[VP_COMM_LEN]) {
    if (comm[0] == 'k') return comm[1] == 'v' && comm[2] == 'm' && comm[3] == '\0';
    if (comm[0] != 'q' || comm[1] != 'e' || comm[2] != 'm' || comm[3] != 'u' || comm[4] != '-') {
        return false;
    }
    if (comm[5] == 'k') return comm[6] == 'v' && comm[7] == 'm' && comm[8] == '\0';
    return comm[5] == 's' && comm[6] == 'y' && comm[7] == 's' && comm[8] == 't' && comm[9] == 'e' &&
           comm[10] == 'm' && comm[11] == '-';
}

/* The row of a process that has just become a VM, or was born as one. */
static __always_inline struct vp_vm* row_of_process(__u32 tgid, __u64 start_ns) {
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (vm) {
        if (is_same_start(vm->start_ns, start_ns)) return vm;
        forget_vm(tgid, vm);
    }
    const struct vp_unconfirmed* counts = unconfirmed_counts();
    if (!counts || counts->vms >= VP_MAX_UNCONFIRMED_VMS) {
        count_failure(unconfirmed_full);
        return 0;
    }
    struct vp_vm fresh = {};
    fresh.start_ns = start_ns;
    fresh.since_ns = start_ns;
    bpf_map_delete_elem(&ended_waits, &tgid); /* of another process with this number */
    /* BPF_NOEXIST: the agent may have found the process and made its row meanwhile. */
    if (!bpf_map_update_elem(&vms, &tgid, &fresh, BPF_NOEXIST)) count_unconfirmed(1, 0);
    vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm) count_failure(vms_full);
    return vm;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(vp_process_fork, struct task_struct* parent, struct task_struct* child) {
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, parent, 0, 0);
    if (!slot) return 0;
    __u32 tgid = child->tgid;
    struct vp_vm* vm = 0;
    if (child->tgid != parent->tgid) {
        /* `qemu -daemonize` goes on in a child; a helper's child ends as a VM at its exec. */
        vm = row_of_process(tgid, child->start_boottime);
    } else {
        vm = bpf_map_lookup_elem(&vms, &tgid);
    }
    if (vm) adopt(child, tgid, vm, false);
    return 0;
}

/* Ends what there is under the numbers that the threads of a process had before one that is not the
 * first called exec: this one has the first's number from then on, while the first has gone, or
 * takes its last steps under the number that this one had. Says whether this one had a record. */
static __always_inline bool retire_numbers(struct task_struct* task, __u32 old_tid) {
    retire_at(place_of(task->pid, task->start_boottime), task->pid);
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    struct vp_thread* thread = slot ? thread_record(slot, old_tid) : 0;
    if (!thread) return false;
    __u32 place = slot->place_plus_1 - 1;
    struct vp_wait* wait = bpf_map_lookup_elem(&waits, &place);
    if (!wait) return false;
    thread->run_ns = task->se.sum_exec_runtime;
    catch_up(task, thread, &wait->all);
    retire(thread, wait, old_tid);
    return true;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(vp_process_exec, struct task_struct* task, int old_pid, struct linux_binprm* bprm) {
    char comm[VP_COMM_LEN];
    bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
    const bool was_first = (__u32)old_pid == task->pid;
    __u32 tgid = task->tgid;
    if (is_hypervisor(comm)) {
        struct vp_vm* vm = row_of_process(tgid, task->start_boottime);
        if (!vm) return 0;
        if (was_first) {
            adopt(task, tgid, vm, false);
            return 0;
        }
        __sync_fetch_and_add(&vm->threads, 1); /* so that the row stays */
        const bool is_counted = retire_numbers(task, old_pid);
        adopt(task, tgid, vm, is_counted);
        __sync_fetch_and_add(&vm->threads, -1);
        return 0;
    }
    struct vp_slot* slot = bpf_task_storage_get(&thread_slots, task, 0, 0);
    if (!slot) return 0;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (vm) forget_vm(tgid, vm); /* first: then the threads that end have no VM to add to */
    if (was_first) {
        retire_at(slot->place_plus_1, task->pid);
    } else {
        retire_numbers(task, old_pid);
    }
    bpf_task_storage_delete(&thread_slots, task);
    return 0;
}

/* Run by the agent for a process that it found to be a VM, and where it counted other records than
 * the row says. Returns 1, or 0 where there is no such row. */
SEC("syscall")
int vp_confirm_vm(struct vp_confirmation* told) {
    __u32 tgid = told->tgid;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm || vm->start_ns != told->start_ns) return 0;
    if (!__sync_lock_test_and_set(&vm->confirmed, 1)) count_unconfirmed(-1, -(int)vm->threads);
    if (told->threads_found != told->threads_told) {
        __sync_val_compare_and_swap(&vm->threads, told->threads_told, told->threads_found);
    }
    return 1;
}

/* Run by the agent for a record whose thread has gone. */
SEC("syscall")
int vp_retire_lost(struct vp_lost_thread* lost) {
    __u32 place = lost->place;
    const struct vp_thread* thread = bpf_map_lookup_elem(&threads, &place);
    if (thread && thread->start_ns == lost->start_ns) retire_at(place + 1, lost->tid);
    return 0;
}

/* Threads that the kernel makes for a process (io_uring's workers; vhost's since 6.4) pass no
 * sched_process_fork. Here no storage can be given: the agent is told to run the iterator. Their
 * figures lose nothing, being the kernel's own since their birth. */
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(vp_wakeup_new, struct task_struct* task) {
    struct task_struct* maker = bpf_get_current_task_btf();
    if (!bpf_task_storage_get(&thread_slots, maker, 0, 0)) return 0;
    if (task->tgid != maker->tgid || bpf_task_storage_get(&thread_slots, task, 0, 0)) return 0;
    __u32 tgid = task->tgid;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (vm) __sync_fetch_and_add(&vm->unadopted, 1);
    return 0;
}

/* For which process a kernel thread works; 0: for none. vhost's workers are kernel threads before
 * 6.4, and since 6.17 where the kernel is told so, with the number of the thread that made them in
 * their names: qemu's first, which is its process's. */
static __always_inline __u32 works_for(const struct task_struct* task) {
    if (role_of(task) != VP_ROLE_VHOST) return 0;
    char comm[VP_COMM_LEN];
    bpf_probe_read_kernel(comm, sizeof(comm), task->comm);
    __u32 number = 0;
    for (int i = sizeof("vhost-") - 1; i < VP_COMM_LEN; ++i) {
        if (comm[i] < '0' || comm[i] > '9') break;
        number = number * 10 + (comm[i] - '0');
    }
    return number;
}

/* Run by the agent at its start, when threads were born unseen, and now and then: gives every
 * thread of every process in `vms` its record. */
SEC("iter/task")
int vp_adopt(struct bpf_iter__task* ctx) {
    struct task_struct* task = ctx->task;
    if (!task || task->__state & TASK_DEAD) return 0;
    const bool kernel = task->flags & PF_KTHREAD;
    __u32 tgid = kernel ? works_for(task) : task->tgid;
    if (!tgid) return 0;
    struct vp_vm* vm = bpf_map_lookup_elem(&vms, &tgid);
    if (!vm || vm->ended_ns) return 0;
    /* The row may be of a process before that had this number. */
    const __u64 start_ns = kernel ? task->start_boottime : task->group_leader->start_boottime;
    const bool is_its = kernel ? start_ns / VP_TICK_NS >= vm->start_ns / VP_TICK_NS
                               : is_same_start(start_ns, vm->start_ns);
    if (is_its) adopt(task, tgid, vm, false);
    return 0;
}
