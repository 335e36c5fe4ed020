/*
 * Reading a packet. Nothing is believed: every length is checked against the frame and against the
 * length around it before anything behind it is read.
 */
#ifndef TIDEGATE_PARSE_H
#define TIDEGATE_PARSE_H

#include "packet/packet.h"
#include "packet/parse_unusual.h"

#define IPV4_PLAIN 0x45 /* version 4, no options */
#define IPV4_FRAGMENT_MASK (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)

/* Untagged IPv4 without options, and whole: its parts are where they always are. */
static __always_inline enum packet_kind parse_ipv4(struct xdp_md *ctx, struct packet *packet,
						   struct frame frame)
{
	struct iphdr *ip = frame.start + sizeof(struct ethhdr);
	__u32 wanted;

	if ((void *)(ip + 1) > frame.end)
		return PACKET_FOREIGN;
	if (*(__u8 *)ip != IPV4_PLAIN || (ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK)))
		return parse_unusual(ctx, packet);
	read_ipv4(packet, ip);
	packet->transport_at = sizeof(struct ethhdr) + sizeof(*ip);
	wanted = sizeof(struct ethhdr) + packet->ip_size;
	if (packet->ip_size < sizeof(*ip) ||
	    wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	return read_transport(packet, frame, ip + 1, packet->ip_size - sizeof(*ip), 0);
}

static __always_inline enum packet_kind parse_ipv6(struct xdp_md *ctx, struct packet *packet,
						   struct frame frame)
{
	struct ipv6hdr *ip = frame.start + sizeof(struct ethhdr);
	__u32 wanted;

	if ((void *)(ip + 1) > frame.end)
		return PACKET_FOREIGN;
	if (is_extension(ip->nexthdr))
		return parse_unusual(ctx, packet);
	if (!read_ipv6(packet, ip))
		return PACKET_FOREIGN;
	packet->transport_at = sizeof(struct ethhdr) + sizeof(*ip);
	wanted = sizeof(struct ethhdr) + packet->ip_size;
	if (ip->version != 6 || wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	return read_transport(packet, frame, ip + 1, packet->ip_size - sizeof(*ip), 0);
}

static __always_inline enum packet_kind parse(struct xdp_md *ctx, struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct ethhdr *eth = frame.start;

	if ((void *)(eth + 1) > frame.end)
		return PACKET_FOREIGN;
	packet->ingress = ctx->ingress_ifindex;
	packet->l3_at = sizeof(*eth);
	packet->unusual = 0;
	packet->vlans = 0;
	/*
	 * Broadcast and multicast frames carry nothing for a VIP (RFC 1122, 3.3.6): ARP, ND,
	 * routing.
	 */
	if (eth->h_dest[0] & 1)
		return PACKET_FOREIGN;
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return parse_ipv4(ctx, packet, frame);
	case bpf_htons(ETH_P_IPV6):
		return parse_ipv6(ctx, packet, frame);
	case bpf_htons(ETH_P_8021Q):
	case bpf_htons(ETH_P_8021AD):
		return parse_unusual(ctx, packet);
	default:
		return PACKET_FOREIGN;
	}
}

#endif
