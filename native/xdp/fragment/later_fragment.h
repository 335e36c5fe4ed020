/* Fragments without ports: they follow their datagram's first one. */
#ifndef TIDEGATE_LATER_FRAGMENT_H
#define TIDEGATE_LATER_FRAGMENT_H

#include "fragment/fragment_hold.h"
#include "packet/rewrite.h"
#include "reply/reject.h"

#define FRAGMENT_UNKNOWN -1

/* Whether a packet of this size fits the way of its datagram. */
static __always_inline int fits_way(const struct hop *hop, __u32 size)
{
	__u32 index = hop->backend;
	struct tg_backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!hop->from_client)
		return size <= mtu_of(hop->ifindex);
	return backend && size <= backend->mtu;
}

/*
 * A verdict, or FRAGMENT_UNKNOWN when no first fragment was there. What goes no further is told to
 * nobody, as only first fragments have errors (RFC 1122, 3.2.2). A global function: verified once.
 */
__noinline int later_fragment_forward(struct xdp_md *ctx, struct packet *packet)
{
	struct hop *hop = hop_memory();
	enum tg_counter obstacle;
	int verdict;

	if (!packet || !hop || packet->fragment != FRAGMENT_LATER || !fragment_hop(packet, hop))
		return FRAGMENT_UNKNOWN;
	if (packet->ttl <= 1)
		return drop(TG_COUNTER_drop_ttl);
	if (!fits_way(hop, packet->ip_size))
		return drop(TG_COUNTER_drop_too_big);
	obstacle = rewrite_unusual(ctx, packet, hop);
	if (obstacle != TG_COUNTER_COUNT)
		return drop(obstacle);
	verdict = send(packet, hop->ifindex);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	if (hop->from_client)
		count_forwarded(hop->server, hop->backend, packet->ip_size);
	else
		count_returned(hop->server, hop->backend, packet->ip_size);
	return verdict;
}

/* Whether it may be the rest of a datagram that we would forward. */
static __always_inline int fragment_is_served(const struct packet *packet)
{
	return packet->fragment == FRAGMENT_LATER &&
	       (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP ||
		(!packet->is_ipv4 && is_extension(packet->protocol)));
}

/* One to a VIP that came before its datagram's first one, or is of no protocol we forward. */
__noinline int later_fragment_early(struct xdp_md *ctx, struct packet *packet)
{
	if (!packet || !fragment_is_served(packet))
		return drop(TG_COUNTER_drop_fragment);
	if (!fragment_hold(ctx, packet))
		return drop(TG_COUNTER_drop_fragment_early);
	count(TG_COUNTER_fragment_held);
	return XDP_DROP;
}

#endif
