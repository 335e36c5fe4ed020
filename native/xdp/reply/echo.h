/*
 * Echo requests to a VIP: nobody holds that address, so the program answers them itself, a bounded
 * number of them.
 */
#ifndef TIDEGATE_ECHO_H
#define TIDEGATE_ECHO_H

#include "base/counters.h"
#include "guard/allowance.h"
#include "icmp/icmp.h"
#include "reply/reply.h"

#define ECHOES_PER_S 10000 /* a CPU */

/* Whether it is an echo request as hosts send it, without options or extension headers. */
static __always_inline int is_echo_request(const struct packet *packet,
					   const struct icmp_header *icmp)
{
	__u32 header = packet->transport_at - packet->l3_at;

	if (icmp->code != 0 || packet->ip_size < header + sizeof(*icmp))
		return 0;
	if (packet->is_ipv4)
		return icmp->type == ICMPV4_ECHO_REQUEST && header == sizeof(struct iphdr);
	return icmp->type == ICMPV6_ECHO_REQUEST && header == sizeof(struct ipv6hdr);
}

/*
 * Swaps the addresses, which no checksum minds, and sets a new TTL. In the ICMP checksum type and
 * code share a word.
 */
static __always_inline int echo_rewrite(struct xdp_md *ctx, const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	void *network = network_header(frame, packet);
	struct icmp_header *icmp = icmp_header_of(ctx, packet);
	__u8 reply = packet->is_ipv4 ? ICMPV4_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	struct ipv6hdr *ip6 = network;
	struct iphdr *ip4 = network;

	if (!icmp)
		return 0;
	icmp->check = checksum_apply(icmp->check, checksum_change(0, icmp->type, reply));
	icmp->type = reply;
	if (packet->is_ipv4) {
		if ((void *)(ip4 + 1) > frame.end)
			return 0;
		ip4->check =
			checksum_apply(ip4->check, checksum_change(0, ip4->ttl, REPLY_TTL));
		ip4->ttl = REPLY_TTL;
		ip4->saddr = address_to_ipv4(packet->dst);
		ip4->daddr = address_to_ipv4(packet->src);
		return 1;
	}
	if ((void *)(ip6 + 1) > frame.end)
		return 0;
	ip6->hop_limit = REPLY_TTL;
	address_to_bytes(packet->dst, &ip6->saddr);
	address_to_bytes(packet->src, &ip6->daddr);
	return 1;
}

/* Turns an echo request into its reply, of the same length. */
static __always_inline int echo_reply(struct xdp_md *ctx, const struct packet *packet)
{
	if (!allowance_take(ALLOWANCE_ECHOES, ECHOES_PER_S))
		return drop(TG_COUNTER_drop_echo_limit);
	if (!echo_rewrite(ctx, packet) || !reply_turn(ctx))
		return drop(TG_COUNTER_drop_icmp);
	count(TG_COUNTER_echo_replied);
	return XDP_TX;
}

#endif
