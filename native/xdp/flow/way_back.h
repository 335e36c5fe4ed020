/* The way back to the client, learned from its packets. */
#ifndef TIDEGATE_WAY_BACK_H
#define TIDEGATE_WAY_BACK_H

#include "base/atomic.h"
#include "base/maps.h"
#include "packet/packet.h"

/*
 * Where a client's packets come from: client_mac, local_mac, client_ifindex and VLANs of a flow, as
 * words.
 */
struct client_hop {
	__u64 words[2];
	__u64 vlans;
};

static __always_inline struct client_hop client_hop_of(struct xdp_md *ctx,
						       const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	const __u16 *mac = frame.start;
	__u64 local, client;

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return (struct client_hop){};
	local = mac[0] | (__u64)mac[1] << 16 | (__u64)mac[2] << 32;
	client = mac[3] | (__u64)mac[4] << 16 | (__u64)mac[5] << 32;
	return (struct client_hop){ { client | local << 48,
				      local >> 16 | (__u64)packet->ingress << 32 },
				    packet->vlans };
}

/* `vlan` and `inner_vlan` as one word. */
static __always_inline __u32 *flow_vlans(struct tg_flow *entry)
{
	return (__u32 *)&entry->vlan;
}

/*
 * Notes it when it changed. A reply sent in the very moment of such a change may see half of it,
 * and is lost as packets to the old place are.
 */
static __always_inline void flow_learn_client(struct tg_flow *entry, struct client_hop hop)
{
	__u64 *learned = (__u64 *)entry->client_mac;

	if (READ_ONCE(learned[0]) != hop.words[0])
		WRITE_ONCE(learned[0], hop.words[0]);
	if (READ_ONCE(learned[1]) != hop.words[1])
		WRITE_ONCE(learned[1], hop.words[1]);
	if (READ_ONCE(*flow_vlans(entry)) != (__u32)hop.vlans)
		WRITE_ONCE(*flow_vlans(entry), (__u32)hop.vlans);
}

#endif
