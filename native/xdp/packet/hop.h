/* What a packet is to be when it leaves. */
#ifndef TIDEGATE_HOP_H
#define TIDEGATE_HOP_H

#include "address.h"
#include "base/maps.h"

struct hop {
	struct address src;
	struct address dst;
	__be16 src_port;
	__be16 dst_port;
	__u32 ifindex;
	__u32 vlans;   /* as in struct packet */
	__u32 macs[3]; /* destination, source */
	/* For fragments: whose they are, and the identification they get. */
	__u32 server;
	__u32 backend;
	__u32 from_client;
	__u32 fragment_id;
};

/* Where a hop is kept for the uncommon way: on the stack it would cost the common one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hop);
} unusual_hop SEC(".maps");

static __always_inline struct hop *hop_memory(void)
{
	__u32 zero = 0;

	return own_map_lookup(&unusual_hop, &zero);
}

/* The two MACs stand next to each other in flows and backends, as they do in the frame. */
static __always_inline void hop_set_macs(struct hop *hop, const __u8 *dst_and_src)
{
	const __u32 *words = (const __u32 *)dst_and_src;

	hop->macs[0] = words[0];
	hop->macs[1] = words[1];
	hop->macs[2] = words[2];
}

#endif
