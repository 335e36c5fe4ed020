/* Frames for others: an interface that listens to everything hands them in as well. */
#ifndef TIDEGATE_ADDRESSEE_H
#define TIDEGATE_ADDRESSEE_H

#include "base/maps.h"
#include "packet/packet.h"

/*
 * Whether the frame's destination is the interface it came in by. Asked before a flow is opened and
 * before anything is answered: a box that only overhears what another one serves (a switch floods,
 * somebody runs tcpdump) must not open connections twice, or reset them. Packets of a flow are
 * forwarded all the same. A global function: rare.
 */
__noinline int is_for_us(struct xdp_md *ctx, const struct packet *packet)
{
	struct tg_interface *interface;
	struct frame frame;
	const __u16 *to, *own;
	__u32 ifindex;

	if (!packet)
		return 0;
	frame = frame_of(ctx);
	to = frame.start;
	ifindex = packet->ingress;
	interface = bpf_map_lookup_elem(&interfaces, &ifindex);
	if (!interface || (void *)(to + 3) > frame.end)
		return 1;
	own = (const __u16 *)interface->mac;
	return (own[0] == to[0] && own[1] == to[1] && own[2] == to[2]) ||
	       !(own[0] | own[1] | own[2]);
}

#endif
