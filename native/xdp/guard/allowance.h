/* How often a CPU may do what strangers can make it do. */
#ifndef TIDEGATE_ALLOWANCE_H
#define TIDEGATE_ALLOWANCE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "base/config.h"
#include "guard/rate.h"

/* What may come at once: a quarter of a second's worth. */
#define ALLOWANCE_BURST_NS (NANOSECONDS / 4)

enum allowance {
	ALLOWANCE_REPLIES, /* ICMP errors and resets of our own */
	ALLOWANCE_ECHOES,
	ALLOWANCE_NEW_FLOWS,
	ALLOWANCE_COUNT,
};

/* See rate.h. Pinned for the trace to find. */
struct {
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ALLOWANCE_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} allowances SEC(".maps");

static __always_inline int allowance_take(enum allowance which, __u32 per_second)
{
	__u64 now = clock_ns(), share;
	__u32 index = which;
	__u64 *done_at = bpf_map_lookup_elem(&allowances, &index);

	if (!done_at || per_second == 0)
		return 0;
	share = rate_share(per_second);
	if (rate_is_over(*done_at, now, share, ALLOWANCE_BURST_NS))
		return 0;
	*done_at = rate_add(*done_at, now, share);
	return 1;
}

#endif
