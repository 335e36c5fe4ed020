/* TCP segments of our own making, in place of the packet at hand. */
#ifndef TIDEGATE_SEGMENT_H
#define TIDEGATE_SEGMENT_H

#include "packet/packet.h"
#include "reply/reply.h"

#define MSS_OPTION 2
#define MSS_OPTION_SIZE 4

struct segment {
	__u32 seq;
	__u32 ack;
	__be16 window;
	__u16 mss; /* 0: without the option */
	__u8 flags;
	__u8 payload; /* bytes, all zero */
};

/* Only whole packets without IP options or extension headers: those are not repeated to anybody. */
static __always_inline int segment_fits(const struct packet *packet)
{
	__u32 plain = packet->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return !packet->unusual || (packet->fragment == FRAGMENT_NONE &&
				    packet->transport_at == packet->l3_at + plain);
}

/* The payload, and what else the shortest Ethernet frame has behind the header. */
#define SEGMENT_REST_MAX 8

static __always_inline void segment_clear_rest(struct frame frame, __u8 *rest)
{
	for (int i = 0; i < SEGMENT_REST_MAX; i++) {
		if (rest + i + 1 > (__u8 *)frame.end)
			break;
		rest[i] = 0;
	}
}

static __always_inline void segment_set_length(struct frame frame, const struct packet *packet,
					       __u16 length)
{
	if (packet->is_ipv4) {
		struct iphdr *ip = network_header(frame, packet);
		__be16 total = bpf_htons(length + sizeof(*ip));

		if ((void *)(ip + 1) > frame.end)
			return;
		ip->check = checksum_apply(ip->check, checksum_change(0, ip->tot_len, total));
		ip->tot_len = total;
	} else {
		struct ipv6hdr *ip = network_header(frame, packet);

		if ((void *)(ip + 1) > frame.end)
			return;
		ip->payload_len = bpf_htons(length);
	}
}

/*
 * Makes the frame's TCP packet this segment between the same two ends, with its checksums; 0 when
 * the driver leaves no room. `packet` goes on telling what came in. A global function: verified
 * once.
 */
__noinline int segment_write(struct xdp_md *ctx, const struct packet *packet,
			     const struct segment *segment)
{
	__u32 at, header, size, sum_option = 0;
	struct frame frame = frame_of(ctx);
	__u32 *words;
	__u64 sum;
	int grow;

	if (!packet || !segment || !segment_fits(packet))
		return 0;
	at = packet->transport_at & TRANSPORT_AT_MASK;
	header = sizeof(struct tcphdr) + (segment->mss ? MSS_OPTION_SIZE : 0);
	size = at + header + segment->payload;
	grow = (int)(size < ETH_ZLEN ? ETH_ZLEN : size) -
	       (int)frame_size(ctx, frame.end - frame.start, ~0u);
	if (grow && bpf_xdp_adjust_tail(ctx, grow))
		return 0;
	frame = frame_of(ctx);
	words = frame.start + at;
	if ((void *)(words + 5) > frame.end)
		return 0;
	words[1] = bpf_htonl(segment->seq);
	words[2] = bpf_htonl(segment->ack);
	words[3] = header / 4 << 4 | (__u32)segment->flags << 8 | (__u32)segment->window << 16;
	words[4] = 0;
	if (segment->mss) {
		if ((void *)(words + 6) > frame.end)
			return 0;
		sum_option = MSS_OPTION | MSS_OPTION_SIZE << 8 |
			     (__u32)bpf_htons(segment->mss) << 16;
		words[5] = sum_option;
	}
	segment_clear_rest(frame, (__u8 *)(words + (segment->mss ? 6 : 5)));
	segment_set_length(frame, packet, header + segment->payload);
	sum = reply_pseudo_header(packet, packet->dst, IPPROTO_TCP, header + segment->payload);
	sum += (__u64)words[0] + words[1] + words[2] + words[3] + sum_option;
	words[4] = checksum_apply(0xffff, sum);
	return 1;
}

/* Sends the frame back where it came from: ends swapped, which no checksum notices. */
static __always_inline int segment_return(struct xdp_md *ctx, const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	__be16 *ports = transport_header(frame, packet);

	if (!reply_turn(ctx) || (void *)(ports + 2) > frame.end)
		return XDP_ABORTED;
	ports[0] = packet->dst_port;
	ports[1] = packet->src_port;
	if (packet->is_ipv4) {
		struct iphdr *ip = network_header(frame, packet);

		if ((void *)(ip + 1) > frame.end)
			return XDP_ABORTED;
		ip->check =
			checksum_apply(ip->check, checksum_change(0, ip->ttl, REPLY_TTL));
		ip->ttl = REPLY_TTL;
		ip->saddr = address_to_ipv4(packet->dst);
		ip->daddr = address_to_ipv4(packet->src);
	} else {
		struct ipv6hdr *ip = network_header(frame, packet);

		if ((void *)(ip + 1) > frame.end)
			return XDP_ABORTED;
		ip->hop_limit = REPLY_TTL;
		address_to_bytes(packet->dst, &ip->saddr);
		address_to_bytes(packet->src, &ip->daddr);
	}
	return XDP_TX;
}

#endif
