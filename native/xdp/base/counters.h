/* What became of each packet, counted per CPU without atomics. */
#ifndef TIDEGATE_COUNTERS_H
#define TIDEGATE_COUNTERS_H

#include "base/maps.h"

static __always_inline void count(enum tg_counter counter)
{
	__u32 index = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &index);

	TRACE(counted, counter);
	if (value)
		*value += 1;
}

static __always_inline int pass_to_kernel(void)
{
	count(TG_COUNTER_passed);
	return XDP_PASS;
}

static __always_inline int drop(enum tg_counter reason)
{
	count(reason);
	return XDP_DROP;
}

static __always_inline void count_new_flow(__u32 server, __u32 backend)
{
	struct tg_stats *stats = bpf_map_lookup_elem(&server_stats, &server);

	if (stats)
		stats->new_flows += 1;
	stats = bpf_map_lookup_elem(&backend_stats, &backend);
	if (stats)
		stats->new_flows += 1;
	count(TG_COUNTER_flow_created);
}

static __always_inline void count_dropped(__u32 server)
{
	struct tg_stats *stats = bpf_map_lookup_elem(&server_stats, &server);

	if (stats)
		stats->drops += 1;
}

static __always_inline void count_forwarded(__u32 server, __u32 backend, __u32 bytes)
{
	struct tg_stats *stats = bpf_map_lookup_elem(&server_stats, &server);

	if (stats) {
		stats->in_packets += 1;
		stats->in_bytes += bytes;
	}
	stats = bpf_map_lookup_elem(&backend_stats, &backend);
	if (stats) {
		stats->in_packets += 1;
		stats->in_bytes += bytes;
	}
	count(TG_COUNTER_forwarded);
}

static __always_inline void count_returned(__u32 server, __u32 backend, __u32 bytes)
{
	struct tg_stats *stats = bpf_map_lookup_elem(&server_stats, &server);

	if (stats) {
		stats->out_packets += 1;
		stats->out_bytes += bytes;
	}
	stats = bpf_map_lookup_elem(&backend_stats, &backend);
	if (stats) {
		stats->out_packets += 1;
		stats->out_bytes += bytes;
	}
	count(TG_COUNTER_returned);
}

#endif
