/*
 * So many a second: the generic cell rate algorithm (ITU-T I.371), a token bucket in one word. The
 * word is the time at which all that was admitted would be done if each took its share of a second;
 * who is further ahead of the clock than `burst_ns` must wait.
 */
#ifndef TIDEGATE_RATE_H
#define TIDEGATE_RATE_H

#include "base/config.h"

/* The share of a second that one takes. `per_second` is not 0. */
static __always_inline __u64 rate_share(__u32 per_second)
{
	return (__u32)NANOSECONDS / per_second;
}

/* Whether one more is too many now. */
static __always_inline int rate_is_over(__u64 done_at, __u64 now_ns, __u64 share, __u64 burst_ns)
{
	return (__s64)(done_at - now_ns) > 0 &&
	       (__s64)(done_at + share - now_ns) > (__s64)burst_ns;
}

/* The word after one more. */
static __always_inline __u64 rate_add(__u64 done_at, __u64 now_ns, __u64 share)
{
	return ((__s64)(done_at - now_ns) > 0 ? done_at : now_ns) + share;
}

#endif
