/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Histograms by powers of two: bucket n counts the values from 2^n up to, and without, 2^(n+1); bucket 0 also 0,
 * and the last one all that is more. */
#pragma once

#define BUCKETS 40

static __always_inline __u32 log2_bucket(__u64 value)
{
	__u32 bucket = 0;

	for (int shift = 32; shift; shift >>= 1)
		if (value >> shift) {
			value >>= shift;
			bucket += shift;
		}
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}
