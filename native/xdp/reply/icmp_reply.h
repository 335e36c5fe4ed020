/* ICMP errors of our own: what they say, in whose name, and how much of the packet they quote. */
#ifndef TIDEGATE_ICMP_REPLY_H
#define TIDEGATE_ICMP_REPLY_H

#include "base/maps.h"
#include "icmp/icmp.h"
#include "reply/reply.h"

/* Errors stay within what every link carries: RFC 1812, 4.3.2.3; RFC 4443, 2.4 c. */
#define ICMPV4_ERROR_MAX 576
#define ICMPV6_ERROR_MAX 1280
#define ICMPV4_ROOM (sizeof(struct iphdr) + sizeof(struct icmp_header))
#define ICMPV6_ROOM (sizeof(struct ipv6hdr) + sizeof(struct icmp_header))

enum notice {
	NOTICE_TIME_EXCEEDED,
	NOTICE_TOO_BIG,
	NOTICE_PORT,
	NOTICE_PROTOCOL,
};

/*
 * In whose name. A traceroute shall see this box, by its address on that link. All else comes from
 * the address the packet was sent to: the sender can reach it, so no filter on the way takes its
 * answer for a forgery, as it may the private address of a link between routers.
 */
static __always_inline struct address notice_source(const struct packet *packet,
						    enum notice notice)
{
	__u32 ifindex = packet->ingress;
	struct tg_interface *interface;
	struct address own;

	if (notice != NOTICE_TIME_EXCEEDED)
		return packet->dst;
	interface = bpf_map_lookup_elem(&interfaces, &ifindex);
	if (!interface)
		return packet->dst;
	own = address_from_bytes(packet->is_ipv4 ? interface->ipv4 : interface->ipv6);
	return own.first || own.last ? own : packet->dst;
}

/* `detail`: the MTU, or where the header is that nobody understands. */
static __always_inline struct icmp_header notice_header(int is_ipv4, enum notice notice,
							__u32 detail)
{
	struct icmp_header icmp = { .type = is_ipv4 ? ICMPV4_UNREACHABLE : ICMPV6_UNREACHABLE };

	switch (notice) {
	case NOTICE_TIME_EXCEEDED:
		icmp.type = is_ipv4 ? ICMPV4_TIME_EXCEEDED : ICMPV6_TIME_EXCEEDED;
		break;
	case NOTICE_TOO_BIG:
		if (is_ipv4) {
			icmp.code = ICMPV4_FRAGMENTATION_NEEDED;
			detail = detail > 0xffff ? 0xffff : detail; /* RFC 1191, section 4 */
		} else {
			icmp.type = ICMPV6_TOO_BIG;
		}
		icmp.info = bpf_htonl(detail);
		break;
	case NOTICE_PORT:
		icmp.code = is_ipv4 ? ICMPV4_PORT : ICMPV6_PORT;
		break;
	case NOTICE_PROTOCOL:
		if (is_ipv4) {
			icmp.code = ICMPV4_PROTOCOL;
			break;
		}
		icmp.type = ICMPV6_PARAMETER_PROBLEM;
		icmp.code = ICMPV6_NEXT_HEADER;
		icmp.info = bpf_htonl(detail);
		break;
	}
	return icmp;
}

/* The sum of the frame's bytes from `at` to its end, which is at most an error's size away. */
__noinline __u32 sum_to_end(struct xdp_md *ctx, __u32 at)
{
	struct frame frame = frame_of(ctx);
	void *next = frame.start + (at & TRANSPORT_AT_MASK);
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < ICMPV6_ERROR_MAX / 4; i++) {
		if (next + 4 > frame.end)
			break;
		sum += *(__u32 *)next;
		next += 4;
	}
	if (next + 2 <= frame.end) {
		sum += *(__u16 *)next;
		next += 2;
	}
	if (next + 1 <= frame.end)
		sum += *(__u8 *)next;
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

/* Turns the packet into an error about it. 0 when the driver has no room for it. */
__noinline int icmp_notice(struct xdp_md *ctx, const struct packet *packet, __u32 notice,
			   __u32 detail)
{
	__u32 most, quoted, room, icmp_at, size;
	struct icmp_header *icmp;
	struct address src;
	struct frame frame;
	void *ip;
	__u64 sum;

	if (!packet)
		return 0;
	room = packet->is_ipv4 ? ICMPV4_ROOM : ICMPV6_ROOM;
	most = (packet->is_ipv4 ? ICMPV4_ERROR_MAX : ICMPV6_ERROR_MAX) - room;
	quoted = packet->ip_size < most ? packet->ip_size : most;
	size = sizeof(*icmp) + quoted;
	if (!reply_turn(ctx) || !reply_cut(ctx, packet, quoted) || !reply_make_room(ctx, room))
		return 0;
	frame = frame_of(ctx);
	ip = network_header(frame, packet);
	if (ip + ICMPV6_ROOM > frame.end) /* more than enough: the quote follows */
		return 0;
	src = notice_source(packet, notice);
	if (packet->is_ipv4) {
		reply_ipv4(ip, packet, src, TOS_INTERNETWORK_CONTROL, IPPROTO_ICMP, room + quoted);
		sum = 0;
	} else {
		reply_ipv6(ip, packet, src, IPPROTO_ICMPV6, size);
		sum = reply_pseudo_header(packet, src, IPPROTO_ICMPV6, size);
	}
	icmp = ip + room - sizeof(*icmp);
	*icmp = notice_header(packet->is_ipv4, notice, detail);
	icmp_at = packet->l3_at + room - sizeof(*icmp);
	icmp->check = checksum_apply(0xffff, sum + sum_to_end(ctx, icmp_at));
	return 1;
}

#endif
