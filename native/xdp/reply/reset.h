/* TCP resets of our own, to the sender of a segment that belongs to nothing: RFC 9293, 3.10.7.1. */
#ifndef TIDEGATE_RESET_H
#define TIDEGATE_RESET_H

#include "reply/reply.h"

/*
 * With an acknowledgment, the reset takes its sequence number from it; without, it acknowledges all
 * of the segment. Words in network order.
 */
static __always_inline void reset_segment(struct tcphdr *tcp, const struct packet *packet,
					  __u64 pseudo_header)
{
	__u32 *words = (__u32 *)tcp;
	__u32 length = packet->tcp_payload + !!(packet->tcp_flags & TCP_SYN) +
		       !!(packet->tcp_flags & TCP_FIN);

	words[0] = (__u32)packet->src_port << 16 | packet->dst_port;
	if (packet->tcp_flags & TCP_ACK) {
		words[1] = bpf_htonl(packet->tcp_ack);
		words[2] = 0;
		words[3] = bpf_htonl(sizeof(*tcp) / 4 << 28 | TCP_RST << 16);
	} else {
		words[1] = 0;
		words[2] = bpf_htonl(packet->tcp_seq + length);
		words[3] = bpf_htonl(sizeof(*tcp) / 4 << 28 | (TCP_RST | TCP_ACK) << 16);
	}
	words[4] = 0;
	tcp->check = checksum_apply(0xffff, pseudo_header + words[0] + words[1] + words[2] +
						    words[3]);
}

/* Turns a TCP packet, not a reset, into the reset that answers it. 0 when the driver refuses. */
__noinline int reset_reply(struct xdp_md *ctx, const struct packet *packet)
{
	__u32 header, size;
	struct frame frame;
	struct tcphdr *tcp;
	void *ip;

	if (!packet)
		return 0;
	header = packet->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	size = header + sizeof(*tcp);
	if (!reply_turn(ctx) || !reply_cut(ctx, packet, size))
		return 0;
	frame = frame_of(ctx);
	ip = network_header(frame, packet);
	if (packet->is_ipv4) {
		tcp = ip + sizeof(struct iphdr);
		if ((void *)(tcp + 1) > frame.end)
			return 0;
		reply_ipv4(ip, packet, packet->dst, 0, IPPROTO_TCP, size);
	} else {
		tcp = ip + sizeof(struct ipv6hdr);
		if ((void *)(tcp + 1) > frame.end)
			return 0;
		reply_ipv6(ip, packet, packet->dst, IPPROTO_TCP, sizeof(*tcp));
	}
	reset_segment(tcp, packet,
		      reply_pseudo_header(packet, packet->dst, IPPROTO_TCP, sizeof(*tcp)));
	return 1;
}

#endif
