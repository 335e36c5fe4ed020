/* What becomes of an ICMP packet: the program answers, translates or drops it, or passes it on. */
#ifndef TIDEGATE_HANDLE_ICMP_H
#define TIDEGATE_HANDLE_ICMP_H

#include "guard/addressee.h"
#include "guard/martian.h"
#include "icmp/icmp_error.h"
#include "reply/echo.h"

/*
 * For a VIP: never to the kernel, which does not hold the address either and may route the packet
 * in circles. Only neighbour discovery is the speaker's, who listens behind this program.
 */
static __always_inline int icmp_to_vip(struct xdp_md *ctx, struct packet *packet,
				       const struct icmp_header *icmp)
{
	if (!packet->is_ipv4 && icmp->type >= ICMPV6_ND_FIRST && icmp->type <= ICMPV6_ND_LAST)
		return pass_to_kernel();
	if (!is_for_us(ctx, packet))
		return pass_to_kernel();
	if (is_echo_request(packet, icmp)) {
		enum tg_counter obstacle = source_obstacle(packet);

		return obstacle == TG_COUNTER_COUNT ? echo_reply(ctx, packet) : drop(obstacle);
	}
	if (icmp_is_error(packet, icmp->type))
		return icmp_error_forward(ctx, packet, 1);
	return drop(TG_COUNTER_drop_icmp);
}

/* A global function: rare, and verified once. */
__noinline int handle_icmp(struct xdp_md *ctx, struct packet *packet)
{
	struct icmp_header *icmp;

	if (!packet)
		return XDP_DROP;
	icmp = icmp_header_of(ctx, packet);
	if (is_vip_address(packet))
		return icmp ? icmp_to_vip(ctx, packet, icmp) : drop(TG_COUNTER_drop_malformed);
	if (icmp && icmp_is_error(packet, icmp->type))
		return icmp_error_forward(ctx, packet, 0);
	return pass_to_kernel();
}

#endif
