/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rows of pairs: a VM that waited, and who had the CPU. */
#ifndef VIRTPULSE_BPF_PAIRS_H
#define VIRTPULSE_BPF_PAIRS_H

#include "bpf/rows.h"

/* To the row of two VMs, what waits of one thread had. */
static __always_inline void add_to_pair(__u32 victim, __u32 tgid, __u64 ns, __u64 waits) {
    struct vp_culprit_key key = {.victim = victim, .tgid = tgid};
    struct vp_culprit* row = row_of(culprits, &key, culprits_full);
    if (!row) return;
    row->last_tgid = tgid;
    __sync_fetch_and_add(&row->ns, ns);
    __sync_fetch_and_add(&row->waits, waits);
}

static __always_inline void flush_pending(__u32 victim, const struct vp_pending* pending) {
    if (pending->ns) add_to_pair(victim, pending->tgid, pending->ns, pending->waits);
}

#endif
