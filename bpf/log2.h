/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms whose buckets double in width. */
#ifndef VIRTPULSE_BPF_LOG2_H
#define VIRTPULSE_BPF_LOG2_H

#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* Bucket 0 below 2^first_shift, bucket k from 2^(first_shift+k-1) on, the last of `buckets` (3 to
 * 34) without a bound. A search for the highest bit, in five steps and without a loop. */
static __always_inline __u32 log2_bucket(__u64 value, __u32 first_shift, __u32 buckets) {
    value >>= first_shift;
    if (value >> (buckets - 2)) return buckets - 1;
    __u32 rest = value;
    __u32 bucket = rest != 0;
    if (rest >> 16) rest >>= 16, bucket += 16;
    if (rest >> 8) rest >>= 8, bucket += 8;
    if (rest >> 4) rest >>= 4, bucket += 4;
    if (rest >> 2) rest >>= 2, bucket += 2;
    bucket += rest >> 1;
    barrier_var(bucket); /* the compiler knows that it is one of them, the verifier need not */
    return bucket < buckets ? bucket : buckets - 1;
}

#endif
