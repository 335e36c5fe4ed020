/* How often a CPU may do what strangers can make it do. */
#ifndef TIDEGATE_ALLOWANCE_H
#define TIDEGATE_ALLOWANCE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "flow.h"

/* What may come at once: a quarter of a second's worth. */
#define ALLOWANCE_BURST_NS (NANOSECONDS / 4)

enum allowance {
	ALLOWANCE_REPLIES, /* ICMP errors and resets of our own */
	ALLOWANCE_ECHOES,
	ALLOWANCE_COUNT,
};

/* When the next one would be due if all came evenly: a leaky bucket in one word. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ALLOWANCE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} allowances SEC(".maps");

static __always_inline int allowance_take(enum allowance which, __u32 per_second)
{
	__u64 now = bpf_ktime_get_coarse_ns();
	__u32 index = which;
	__u64 *due = bpf_map_lookup_elem(&allowances, &index);

	if (!due || per_second == 0 || (__s64)(*due - now) > (__s64)ALLOWANCE_BURST_NS)
		return 0;
	if ((__s64)(*due - now) < 0)
		*due = now;
	*due += NANOSECONDS / per_second;
	return 1;
}

#endif
