/* What a packet's sender is told when the packet goes no further. */
#ifndef TIDEGATE_REJECT_H
#define TIDEGATE_REJECT_H

#include <stddef.h>

#include "base/config.h"
#include "base/counters.h"
#include "guard/addressee.h"
#include "guard/allowance.h"
#include "guard/martian.h"
#include "reply/icmp_reply.h"
#include "reply/reset.h"

/* What fits an interface; one that nobody wrote down lets everything through. */
__noinline __u32 mtu_of(__u32 ifindex)
{
	struct tg_interface *interface = bpf_map_lookup_elem(&interfaces, &ifindex);

	return interface && interface->mtu ? interface->mtu : ~0u;
}

/* Told or not: the reason is counted already. */
static __always_inline int told(enum tg_counter how, int done)
{
	if (!done)
		return XDP_DROP;
	count(how);
	return XDP_TX;
}

static __always_inline int reset(struct xdp_md *ctx, const struct packet *packet)
{
	return told(TG_COUNTER_reset_sent, reset_reply(ctx, packet));
}

/* Where in an IPv6 packet the number of the header stands that nobody here understands. */
static __always_inline __u32 next_header_at(const struct packet *packet)
{
	if (packet->transport_at == packet->l3_at + sizeof(struct ipv6hdr))
		return offsetof(struct ipv6hdr, nexthdr);
	return packet->extension_at - packet->l3_at;
}

/* What, if anything, to say about it: a reset, or an ICMP error with its detail. */
struct refusal {
	int reset;
	int notice; /* enum notice, or -1 */
	__u32 detail;
};

static __always_inline struct refusal refusal_of(const struct packet *packet,
						 const struct tg_config *cfg,
						 enum tg_counter reason, __u32 mtu)
{
	int is_tcp = packet->protocol == IPPROTO_TCP;

	switch (reason) {
	case TG_COUNTER_drop_ttl:
		return (struct refusal){ 0, NOTICE_TIME_EXCEEDED, 0 };
	case TG_COUNTER_drop_too_big:
		return (struct refusal){ 0, NOTICE_TOO_BIG, mtu };
	case TG_COUNTER_drop_no_flow:
		return (struct refusal){ is_tcp && (cfg->flags & TG_CONFIG_RESET_UNKNOWN), -1, 0 };
	case TG_COUNTER_drop_backend_dead:
		return (struct refusal){ 1, -1, 0 };
	case TG_COUNTER_drop_no_port:
	case TG_COUNTER_drop_no_backend:
		if (!(cfg->flags & TG_CONFIG_REJECT_UNSERVED))
			break;
		if (is_tcp)
			return (struct refusal){ 1, -1, 0 };
		if (packet->protocol == IPPROTO_UDP)
			return (struct refusal){ 0, NOTICE_PORT, 0 };
		if (packet->protocol == IPPROTO_NONE) /* RFC 8200, 4.7 */
			break;
		return (struct refusal){ 0, NOTICE_PROTOCOL, next_header_at(packet) };
	default:
		break;
	}
	return (struct refusal){ 0, -1, 0 };
}

/*
 * Drops the packet for this reason; its sender is told where that helps him and the settings allow
 * it. `mtu` is for drop_too_big. A packet too large for IPv4's way out gets its error with or
 * without "don't fragment": fragmenting is not for this program, and senders learn from it.
 */
__noinline int reject(struct xdp_md *ctx, const struct packet *packet, __u32 reason, __u32 mtu)
{
	struct tg_config *cfg = config_get();
	struct refusal refusal;

	if (!is_for_us(ctx, packet))
		return pass_to_kernel();
	count(reason);
	if (!packet || !cfg)
		return XDP_DROP;
	refusal = refusal_of(packet, cfg, reason, mtu);
	if (refusal.reset && (packet->tcp_flags & TCP_RST)) /* never in answer to one */
		return XDP_DROP;
	if (!refusal.reset && refusal.notice < 0)
		return XDP_DROP;
	/* Nobody or everybody is not told anything: RFC 1122, 3.2.2; RFC 4443, 2.4 e. */
	if (source_obstacle(packet) != TG_COUNTER_COUNT)
		return XDP_DROP;
	if (!allowance_take(ALLOWANCE_REPLIES, cfg->replies_per_s)) {
		count(TG_COUNTER_reply_withheld);
		return XDP_DROP;
	}
	if (refusal.reset)
		return reset(ctx, packet);
	return told(TG_COUNTER_icmp_sent, icmp_notice(ctx, packet, refusal.notice, refusal.detail));
}

#endif
