/* ICMP and ICMPv6 messages: RFC 792, RFC 1191, RFC 4443, RFC 4861. */
#ifndef TIDEGATE_ICMP_H
#define TIDEGATE_ICMP_H

#include "packet/packet.h"

/* Both versions' messages begin alike; the system's headers are not for BPF. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 info; /* errors: an MTU or a pointer, and lengths (RFC 4884) */
};

#define ICMPV4_ECHO_REPLY 0
#define ICMPV4_UNREACHABLE 3
#define ICMPV4_ECHO_REQUEST 8
#define ICMPV4_TIME_EXCEEDED 11
#define ICMPV4_PARAMETER_PROBLEM 12
/* Codes of ICMPV4_UNREACHABLE. */
#define ICMPV4_PROTOCOL 2
#define ICMPV4_PORT 3
#define ICMPV4_FRAGMENTATION_NEEDED 4

#define ICMPV6_UNREACHABLE 1
#define ICMPV6_TOO_BIG 2
#define ICMPV6_TIME_EXCEEDED 3
#define ICMPV6_PARAMETER_PROBLEM 4
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define ICMPV6_PORT 4        /* code of ICMPV6_UNREACHABLE */
#define ICMPV6_NEXT_HEADER 1 /* code of ICMPV6_PARAMETER_PROBLEM */
/* Router solicitation to redirect. */
#define ICMPV6_ND_FIRST 133
#define ICMPV6_ND_LAST 137

/* The packet's ICMP header, NULL when it is not whole. */
static __always_inline struct icmp_header *icmp_header_of(struct xdp_md *ctx,
							  const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct icmp_header *icmp = transport_header(frame, packet);

	if ((void *)(icmp + 1) > frame.end)
		return NULL;
	return icmp;
}

/*
 * Errors that end hosts act upon. Source quench and redirects are not among them (RFC 6633; RFC
 * 1122, 3.2.2.2: a redirect is for the link it was sent on), nor are unknown types.
 */
static __always_inline int icmp_is_error(const struct packet *packet, __u8 type)
{
	if (packet->is_ipv4)
		return type == ICMPV4_UNREACHABLE || type == ICMPV4_TIME_EXCEEDED ||
		       type == ICMPV4_PARAMETER_PROBLEM;
	return type >= ICMPV6_UNREACHABLE && type <= ICMPV6_PARAMETER_PROBLEM;
}

#endif
