/*
 * What replies of our own have in common: a frame that goes back where it came from. They are built
 * in the frame of the packet they answer, which is lost by that.
 */
#ifndef TIDEGATE_REPLY_H
#define TIDEGATE_REPLY_H

#include "base/checksum.h"
#include "packet/packet.h"

#define REPLY_TTL 64
#define LINK_HEADER_WORDS 11 /* Ethernet with two VLAN tags, in 16 bits */
#define TOS_INTERNETWORK_CONTROL 0xc0 /* RFC 1812, 4.3.2.5 */
#define IPV4_DONT_FRAGMENT 0x4000

/* Makes the frame one back to its sender. VLAN tags stay as they are. */
static __always_inline int reply_turn(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	__u16 *macs = frame.start;

	if ((void *)(macs + 6) > frame.end)
		return 0;
	for (int i = 0; i < 3; i++) {
		__u16 dst = macs[i];

		macs[i] = macs[i + 3];
		macs[i + 3] = dst;
	}
	return 1;
}

/* Shortens the IP packet to its first `kept` bytes, and padding to none. 0 on failure. */
static __always_inline int reply_cut(struct xdp_md *ctx, const struct packet *packet, __u32 kept)
{
	struct frame frame = frame_of(ctx);
	__u32 size = packet->l3_at + kept;
	__u32 whole = frame_size(ctx, frame.end - frame.start, ~0u);

	return whole <= size || !bpf_xdp_adjust_tail(ctx, (int)(size - whole));
}

/* Makes room before the IP packet, of at least a link header. 0 when the driver has none. */
static __always_inline int reply_make_room(struct xdp_md *ctx, __u32 room)
{
	struct frame frame;
	__u16 *to, *from;

	if (bpf_xdp_adjust_head(ctx, -(int)room))
		return 0;
	frame = frame_of(ctx);
	to = frame.start;
	from = frame.start + room;
	if ((void *)(from + LINK_HEADER_WORDS) > frame.end)
		return 0;
	for (int i = 0; i < LINK_HEADER_WORDS; i++)
		to[i] = from[i];
	return 1;
}

/* An IPv4 header to the packet's sender; `size` with this header. */
static __always_inline void reply_ipv4(struct iphdr *ip, const struct packet *packet,
				       struct address src, __u8 tos, __u8 protocol, __u32 size)
{
	const __u32 *words = (const __u32 *)ip;
	__u64 sum = 0;

	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = tos;
	ip->tot_len = bpf_htons(size);
	ip->id = 0; /* means nothing without fragments: RFC 6864 */
	ip->frag_off = bpf_htons(IPV4_DONT_FRAGMENT);
	ip->ttl = REPLY_TTL;
	ip->protocol = protocol;
	ip->check = 0;
	ip->saddr = address_to_ipv4(src);
	ip->daddr = address_to_ipv4(packet->src);
	for (__u32 i = 0; i < sizeof(*ip) / 4; i++)
		sum += words[i];
	ip->check = checksum_apply(0xffff, sum);
}

static __always_inline void reply_ipv6(struct ipv6hdr *ip, const struct packet *packet,
				       struct address src, __u8 protocol, __u32 payload)
{
	*(__be32 *)ip = bpf_htonl(6u << 28);
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = protocol;
	ip->hop_limit = REPLY_TTL;
	address_to_bytes(src, &ip->saddr);
	address_to_bytes(packet->src, &ip->daddr);
}

/* The sum of a pseudo-header from `src` to the packet's sender (RFC 768, RFC 8200, 8.1). */
static __always_inline __u64 reply_pseudo_header(const struct packet *packet, struct address src,
						 __u8 protocol, __u32 size)
{
	__u64 sum = (__u64)bpf_htonl(size) + bpf_htonl(protocol);

	/* What makes IPv4 addresses 16 bytes long here is no part of them: it sums to 0xffff, 0. */
	sum += (__u32)src.first + (src.first >> 32) + (__u32)src.last + (src.last >> 32);
	return sum + (__u32)packet->src.first + (packet->src.first >> 32) +
	       (__u32)packet->src.last + (packet->src.last >> 32);
}

#endif
