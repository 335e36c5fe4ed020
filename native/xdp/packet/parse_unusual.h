/*
 * Reading packets with VLAN tags, IPv4 options, IPv6 extension headers, or that are fragments:
 * apart from the others, so that those pay nothing for it.
 */
#ifndef TIDEGATE_PARSE_UNUSUAL_H
#define TIDEGATE_PARSE_UNUSUAL_H

#include "packet/packet.h"
#include "packet/vlan.h"

#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOP 1
#define IPV4_OPTION_LOOSE_ROUTE 131
#define IPV4_OPTION_STRICT_ROUTE 137
#define IPV4_OPTION_BYTES_MAX 40
#define IPV4_OFFSET_MASK 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000

#define IPV6_HOP_BY_HOP 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60
#define IPV6_MORE_FRAGMENTS 1
#define IPV6_FRAGMENT_UNIT 8u
/*
 * How long a chain of extension headers may be. RFC 8200 (4.1) knows a use for five; a chain that
 * is longer than this buys its sender nothing but our time (RFC 8504, 5.3).
 */
#define IPV6_EXTENSIONS_MAX 6
#define IPV6_EXTENSION_BYTES_MAX 256

#define IP_SIZE_MAX 65535

/* What every extension header begins with; routing and fragment headers' own fields behind it. */
struct extension_header {
	__u8 next;
	__u8 length; /* in 8 bytes, without the first 8; of a fragment header: reserved */
	union {
		struct {
			__u8 routing_type;
			__u8 segments_left;
		};
		__be16 offset; /* in 8 bytes, above 3 bits of flags */
	};
	__be32 id;
};

/* Whether the fragment's place is possible, and does not hide a TCP header. */
static __always_inline enum packet_kind read_fragment(struct packet *packet, __u32 offset,
						      __u32 size)
{
	packet->fragment = offset ? FRAGMENT_LATER : FRAGMENT_FIRST;
	if (offset + size > IP_SIZE_MAX)
		return PACKET_MALFORMED;
	/* Flags and ports could be overwritten (RFC 3128). */
	if (offset == 8 && packet->protocol == IPPROTO_TCP)
		return refuse(packet, TG_COUNTER_drop_fragment);
	return PACKET_TRANSPORT;
}

/* The transport behind whatever headers; `size` is what is left for it. */
static __always_inline enum packet_kind parse_behind(struct xdp_md *ctx, struct packet *packet,
						     __u32 size)
{
	struct frame frame = frame_of(ctx);
	void *transport = transport_header(frame, packet);
	enum packet_kind kind;

	if (packet->fragment == FRAGMENT_LATER)
		return PACKET_FRAGMENT;
	if (packet->fragment == FRAGMENT_NONE)
		return read_transport(packet, frame, transport, size, 0);
	kind = read_transport(packet, frame, transport, size, 1);
	if (kind == PACKET_MALFORMED) /* too small for its ports: RFC 1858, section 3; RFC 7112 */
		return refuse(packet, TG_COUNTER_drop_fragment);
	return kind == PACKET_TRANSPORT ? kind : PACKET_FRAGMENT;
}

/*
 * Steps over the IPv4 option where the transport might begin, as parse_extension() does. Options
 * stay in the packet, but a source route would lead it around us (RFC 7126, 4.3).
 */
__noinline int parse_option(struct xdp_md *ctx, struct packet *packet, __u32 end)
{
	struct frame frame = frame_of(ctx);
	__u8 *option;
	__u32 at;

	if (!packet)
		return PACKET_MALFORMED;
	at = packet->transport_at & TRANSPORT_AT_MASK;
	option = frame.start + at;
	if (option + 2 > (__u8 *)frame.end)
		return PACKET_MALFORMED;
	if (option[0] == IPV4_OPTION_END) {
		packet->transport_at = end;
		return PACKET_TRANSPORT;
	}
	if (option[0] == IPV4_OPTION_NOP) {
		packet->transport_at = at + 1;
		return PACKET_TRANSPORT;
	}
	if (option[0] == IPV4_OPTION_LOOSE_ROUTE || option[0] == IPV4_OPTION_STRICT_ROUTE)
		return refuse(packet, TG_COUNTER_drop_source_route);
	if (option[1] < 2 || at + option[1] > end)
		return PACKET_MALFORMED;
	packet->transport_at = at + option[1];
	return PACKET_TRANSPORT;
}

static __always_inline enum packet_kind parse_unusual_ipv4(struct xdp_md *ctx,
							   struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct iphdr *ip = network_header(frame, packet);
	__u32 header, wanted, fragment;
	enum packet_kind kind;

	if ((void *)(ip + 1) > frame.end)
		return PACKET_FOREIGN;
	read_ipv4(packet, ip);
	header = ip->ihl * 4;
	wanted = packet->l3_at + packet->ip_size;
	if (ip->version != 4 || header < sizeof(*ip) || packet->ip_size < header ||
	    wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	packet->transport_at = packet->l3_at + sizeof(*ip);
	fragment = bpf_ntohs(ip->frag_off);
	packet->fragment_id = ip->id;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < IPV4_OPTION_BYTES_MAX; i++) {
		if (packet->transport_at >= packet->l3_at + header)
			break;
		kind = parse_option(ctx, packet, packet->l3_at + header);
		if (kind != PACKET_TRANSPORT)
			return kind;
	}
	if (fragment & (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)) {
		kind = read_fragment(packet, (fragment & IPV4_OFFSET_MASK) * 8,
				     packet->ip_size - header);
		if (kind != PACKET_TRANSPORT)
			return kind;
	}
	return parse_behind(ctx, packet, packet->ip_size - header);
}

static __always_inline int is_extension(__u8 header)
{
	return header == IPV6_HOP_BY_HOP || header == IPV6_ROUTING || header == IPV6_FRAGMENT ||
	       header == IPV6_DESTINATION;
}

/*
 * A fragment header. One that says "the whole packet" (RFC 6946) is a header like others. A packet
 * has one only.
 */
static __always_inline enum packet_kind read_fragment_header(struct packet *packet,
							     const struct extension_header *header,
							     __u32 at, __u32 size)
{
	__u32 offset = bpf_ntohs(header->offset);

	if (packet->fragment_at)
		return PACKET_MALFORMED;
	packet->fragment_at = at;
	packet->fragment_id = header->id;
	if (!(offset & ~(IPV6_FRAGMENT_UNIT - 1)) && !(offset & IPV6_MORE_FRAGMENTS))
		return PACKET_TRANSPORT;
	return read_fragment(packet, offset & ~(IPV6_FRAGMENT_UNIT - 1), size);
}

/*
 * Steps over one extension header. One function, verified once, instead of a loop's body seen for
 * each way through the chain.
 */
__noinline int parse_extension(struct xdp_md *ctx, struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct extension_header *header;
	__u32 at, chain, end, size = sizeof(*header);
	__u8 type;

	if (!packet)
		return PACKET_MALFORMED;
	at = packet->transport_at & TRANSPORT_AT_MASK;
	chain = packet->l3_at + sizeof(struct ipv6hdr);
	end = packet->l3_at + packet->ip_size;
	header = frame.start + at;
	type = packet->protocol;
	if ((void *)(header + 1) > frame.end || at + size > end)
		return PACKET_MALFORMED;
	if (type == IPV6_HOP_BY_HOP && at != chain) /* RFC 8200, section 4.1 */
		return PACKET_MALFORMED;
	/* Type 0: RFC 5095. Others, while they have segments left, have another destination. */
	if (type == IPV6_ROUTING && (header->routing_type == 0 || header->segments_left))
		return refuse(packet, TG_COUNTER_drop_source_route);
	if (type != IPV6_FRAGMENT)
		size += header->length * 8;
	if (at + size > end)
		return PACKET_MALFORMED;
	if (at + size - chain > IPV6_EXTENSION_BYTES_MAX)
		return refuse(packet, TG_COUNTER_drop_extension);
	packet->protocol = header->next;
	packet->extension_at = at;
	packet->transport_at = at + size;
	if (type == IPV6_FRAGMENT)
		return read_fragment_header(packet, header, at, end - at - size);
	return PACKET_TRANSPORT;
}

static __always_inline enum packet_kind parse_unusual_ipv6(struct xdp_md *ctx,
							   struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct ipv6hdr *ip = network_header(frame, packet);
	enum packet_kind kind;
	__u32 wanted;

	if ((void *)(ip + 1) > frame.end || !read_ipv6(packet, ip))
		return PACKET_FOREIGN;
	wanted = packet->l3_at + packet->ip_size;
	if (ip->version != 6 || wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	packet->transport_at = packet->l3_at + sizeof(*ip);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (!is_extension(packet->protocol) || packet->fragment == FRAGMENT_LATER)
			break;
		kind = parse_extension(ctx, packet);
		if (kind == PACKET_MALFORMED && packet->fragment == FRAGMENT_FIRST)
			return refuse(packet, TG_COUNTER_drop_fragment); /* RFC 7112 */
		if (kind != PACKET_TRANSPORT)
			return kind;
	}
	if (is_extension(packet->protocol) && packet->fragment != FRAGMENT_LATER)
		return refuse(packet, TG_COUNTER_drop_extension);
	return parse_behind(ctx, packet, packet->l3_at + packet->ip_size - packet->transport_at);
}

/* A global function: verified once by itself, and not inlined into the common way. */
__noinline int parse_unusual(struct xdp_md *ctx, struct packet *packet)
{
	__be16 type;

	if (!packet)
		return PACKET_FOREIGN;
	packet->unusual = 1;
	packet->fragment = FRAGMENT_NONE;
	packet->fragment_at = 0;
	type = read_tags(ctx, packet);
	if (type == bpf_htons(ETH_P_IP))
		return parse_unusual_ipv4(ctx, packet);
	if (type == bpf_htons(ETH_P_IPV6))
		return parse_unusual_ipv6(ctx, packet);
	return PACKET_FOREIGN;
}

#endif
