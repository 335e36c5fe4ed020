/* What time it is, to a tick of the kernel's. */
#ifndef TIDEGATE_CLOCK_H
#define TIDEGATE_CLOCK_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "base/maps.h"

#define NANOSECONDS 1000000000ull

struct clock {
	__u64 jiffies;
	__u64 ns; /* the coarse clock at that tick */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct clock);
} clock_memory SEC(".maps");

/*
 * CLOCK_MONOTONIC_COARSE, in nanoseconds. It moves with each tick, so between two ticks what was
 * read last still holds: reading the ticks is one load (the kernel inlines it), the clock a call.
 */
static __always_inline __u64 clock_ns(void)
{
	__u32 zero = 0;
	struct clock *clock = own_map_lookup(&clock_memory, &zero);
	__u64 jiffies = bpf_jiffies64();

	if (!clock)
		return bpf_ktime_get_coarse_ns();
	if (clock->jiffies != jiffies) {
		clock->ns = bpf_ktime_get_coarse_ns();
		clock->jiffies = jiffies;
	}
	return clock->ns;
}

#endif
