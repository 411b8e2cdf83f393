/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The row of a key in a map of counters, made where there is none. */
#ifndef VIRTPULSE_BPF_ROWS_H
#define VIRTPULSE_BPF_ROWS_H

#include "bpf/maps.h"

/* What each row begins with. As long as the longest of them, which the stack has no room for; and
 * nobody who finds a row, as all but the first do, has to clear memory for one. */
static const struct vp_block no_row;

/* BPF_NOEXIST: another CPU may have made the row meanwhile, and then its counts stand. So it is
 * asked for again whatever came of the making: only a row that is still not there has no room. */
static __always_inline void* row_or_new(void* map, const void* key) {
    void* row = bpf_map_lookup_elem(map, key);
    if (row) return row;
    bpf_map_update_elem(map, key, &no_row, BPF_NOEXIST);
    return bpf_map_lookup_elem(map, key);
}

/* row_of(map, at, full): the row at a key, as the map types both. NULL where there is no room for
 * it, which the member `full` of the failures then counts. */
#define row_of(map, at, full)                                                      \
    ({                                                                             \
        _Static_assert(sizeof(*(map).value) <= sizeof(no_row), "no_row is short"); \
        __typeof__((map).key) at_ = (at);                                          \
        __typeof__((map).value) row_ = row_or_new(&(map), at_);                    \
        if (!row_) count_failure(full);                                            \
        row_;                                                                      \
    })

#endif
