/*
 * ICMP and ICMPv6 to a VIP: nobody holds that address, so the program answers echo requests itself.
 */
#ifndef TIDEGATE_ECHO_H
#define TIDEGATE_ECHO_H

#include "checksum.h"
#include "packet.h"

#define ECHO_REPLY_TTL 64
#define ICMPV4_ECHO_REQUEST 8
#define ICMPV4_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
/* Router solicitation to redirect (RFC 4861). */
#define ICMPV6_ND_FIRST 133
#define ICMPV6_ND_LAST 137

/* Both versions' messages begin alike (RFC 792, RFC 4443); the system's header is not for BPF. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be16 id;
	__be16 sequence;
};

/* 1 when the request was turned into its reply. Type and code share a word of the checksum. */
static __always_inline int echo_message(struct icmp_header *icmp, __u8 request, __u8 reply)
{
	if (icmp->type != request || icmp->code != 0)
		return 0;
	icmp->type = reply;
	icmp->check = checksum_apply(icmp->check, checksum_change(0, request, reply));
	return 1;
}

/* IPv4 options (source routes!) are the kernel's business. */
static __always_inline int echo_ipv4(struct frame frame, const struct packet *packet)
{
	struct iphdr *ip = network_header(frame, packet);
	struct icmp_header *icmp = (void *)(ip + 1);

	if ((void *)(icmp + 1) > frame.end || ip->ihl * 4 != sizeof(*ip) ||
	    packet->ip_size < sizeof(*ip) + sizeof(*icmp) ||
	    !echo_message(icmp, ICMPV4_ECHO_REQUEST, ICMPV4_ECHO_REPLY))
		return 0;
	ip->check = checksum_apply(ip->check, checksum_change(0, ip->ttl, ECHO_REPLY_TTL));
	ip->ttl = ECHO_REPLY_TTL;
	ip->saddr = address_to_ipv4(packet->dst);
	ip->daddr = address_to_ipv4(packet->src);
	return 1;
}

static __always_inline int echo_ipv6(struct frame frame, const struct packet *packet)
{
	struct ipv6hdr *ip = network_header(frame, packet);
	struct icmp_header *icmp = (void *)(ip + 1);

	if ((void *)(icmp + 1) > frame.end || packet->ip_size < sizeof(*ip) + sizeof(*icmp) ||
	    !echo_message(icmp, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY))
		return 0;
	ip->hop_limit = ECHO_REPLY_TTL;
	address_to_bytes(packet->dst, &ip->saddr);
	address_to_bytes(packet->src, &ip->daddr);
	return 1;
}

/* Neighbour discovery is the speaker's, who listens behind this program. */
static __always_inline int is_neighbour_discovery(struct xdp_md *ctx, const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct ipv6hdr *ip = network_header(frame, packet);
	struct icmp_header *icmp = (void *)(ip + 1);

	return !packet->is_ipv4 && (void *)(icmp + 1) <= frame.end &&
	       icmp->type >= ICMPV6_ND_FIRST && icmp->type <= ICMPV6_ND_LAST;
}

/* Turns an echo request into its reply; 0 when the packet is something else, and untouched. */
static __always_inline int echo_reply(struct xdp_md *ctx, const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	__u16 *macs = frame.start;

	if ((void *)(macs + 6) > frame.end)
		return 0;
	if (!(packet->is_ipv4 ? echo_ipv4(frame, packet) : echo_ipv6(frame, packet)))
		return 0;
	for (int i = 0; i < 3; i++) {
		__u16 dst = macs[i];

		macs[i] = macs[i + 3];
		macs[i + 3] = dst;
	}
	return 1;
}

#endif
