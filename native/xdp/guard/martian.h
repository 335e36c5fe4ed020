/*
 * Sources that no packet from outside can have. Asked before a flow is opened or an echo request
 * answered: packets of a flow have its source.
 */
#ifndef TIDEGATE_MARTIAN_H
#define TIDEGATE_MARTIAN_H

#include "base/config.h"
#include "base/maps.h"
#include "packet/packet.h"

/*
 * "This" network, loopback, link-local, multicast, class E and broadcast (RFC 1122, 3.2.1.3; RFC
 * 3927, 7).
 */
static __always_inline int ipv4_is_martian(__be32 source)
{
	__u32 ipv4 = bpf_ntohl(source);
	__u32 first = ipv4 >> 24;

	return first == 0 || first == 127 || first >= 224 || ipv4 >> 16 == 0xa9fe;
}

/* Unspecified, loopback, multicast, link-local (RFC 4291, 2.5). */
static __always_inline int ipv6_is_martian(struct address source)
{
	__u32 first = bpf_ntohl(source.first);

	if (source.first == 0 && (source.last == 0 || source.last == __builtin_bswap64(1)))
		return 1;
	return first >> 24 == 0xff || first >> 22 == 0xfe80 >> 6;
}

/* Why nobody can have sent this, by the packet alone; TG_COUNTER_COUNT when there is no reason. */
static __always_inline enum tg_counter source_obstacle(const struct packet *packet)
{
	if (address_equal(packet->src, packet->dst))
		return TG_COUNTER_drop_land;
	if (packet->is_ipv4 ? ipv4_is_martian(address_to_ipv4(packet->src)) :
			      ipv6_is_martian(packet->src))
		return TG_COUNTER_drop_martian;
	return TG_COUNTER_COUNT;
}

static __always_inline int is_vip_source(const struct packet *packet)
{
	struct tg_vip_key key = {};

	address_to_bytes(packet->src, key.addr);
	return bpf_map_lookup_elem(&vips, &key) != NULL;
}

static __always_inline int is_nat_source(const struct packet *packet, const struct tg_config *cfg)
{
	if (!(cfg->nat_filter >> (packet->src.last >> 56 & 63) & 1))
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_NAT_ADDRESSES_MAX && i < cfg->nat_limit; i++) {
		struct tg_nat_address *nat = bpf_map_lookup_elem(&nat_addresses, &i);

		if (nat && address_equal(address_from_bytes(nat->addr), packet->src))
			return 1;
	}
	return 0;
}

/*
 * Whether the source is this box's own, a VIP or a NAT address, and the packet came in from
 * outside: the box itself is a client by interfaces of its own only. Without it, one forged
 * datagram from a VIP to a VIP would make two backends answer each other for ever. A global
 * function: verified once.
 */
__noinline int source_is_stolen(const struct packet *packet)
{
	struct tg_config *cfg = config_get();
	struct tg_interface *interface;
	__u32 ifindex;

	if (!packet || !cfg || (!is_vip_source(packet) && !is_nat_source(packet, cfg)))
		return 0;
	ifindex = packet->ingress;
	interface = bpf_map_lookup_elem(&interfaces, &ifindex);
	return !interface || !(interface->flags & TG_INTERFACE_OWN);
}

#endif
