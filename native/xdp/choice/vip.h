/* Whether an address, and a port of it, is a VIP's. */
#ifndef TIDEGATE_VIP_H
#define TIDEGATE_VIP_H

#include "base/maps.h"
#include "packet/packet.h"

static __always_inline struct tg_vip *find_vip(const struct packet *packet, __be16 port, __u8 proto)
{
	struct tg_vip_key key = { .port = port, .proto = proto };
	__u32 *words = (__u32 *)key.addr;

	words[0] = packet->dst.first;
	words[1] = packet->dst.first >> 32;
	words[2] = packet->dst.last;
	words[3] = packet->dst.last >> 32;
	return bpf_map_lookup_elem(&vips, &key);
}

static __always_inline int is_vip_address(const struct packet *packet)
{
	if (!find_vip(packet, 0, 0)) {
		TRACE(not_vip);
		return 0;
	}
	TRACE(vip_address);
	return 1;
}

#endif
