/*
 * Reading a packet. Nothing is believed: every length is checked against the frame and against the
 * length around it before anything behind it is read.
 */
#ifndef TIDEGATE_PACKET_H
#define TIDEGATE_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"

#define IPV4_FRAGMENT_MASK 0x3fff /* more fragments, or an offset */
#define IPV6_FRAGMENT_HEADER 44
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

/* How far the packet could be read. From PACKET_ICMP on, `src` and `dst` are known. */
enum packet_kind {
	PACKET_FOREIGN, /* not plain IP over Ethernet: nothing we look into */
	PACKET_TRANSPORT, /* TCP or UDP, whole and consistent */
	PACKET_ICMP,
	PACKET_OTHER_PROTOCOL,
	PACKET_FRAGMENT,
	PACKET_MALFORMED,
};

/*
 * What a packet says. Kept per CPU in a map, and without pointers: what the verifier reads from a
 * map it knows nothing about, so that it follows the steps after parse() once and not for each
 * combination of family, protocol and header length. Pointers are made again where the packet is
 * written.
 */
struct packet {
	struct address src;
	struct address dst;
	__u32 ip_size; /* IP header and payload, as the header says */
	__u32 ingress; /* ifindex */
	__be16 src_port;
	__be16 dst_port;
	__u8 is_ipv4;
	__u8 protocol;
	__u8 ttl;
	__u8 tcp_flags;
	__u32 tcp_seq;
	__u32 tcp_ack;
	__u32 tcp_payload; /* bytes */
	__u32 transport_at; /* offset of the TCP or UDP header in the frame */
};

/* The bytes that may be read and written directly. */
struct frame {
	void *start;
	void *end;
};

static __always_inline struct frame frame_of(struct xdp_md *ctx)
{
	return (struct frame){ (void *)(long)ctx->data, (void *)(long)ctx->data_end };
}

/*
 * The frame's size. Only a multi-buffer frame is larger than what is readable; kernels before 5.18
 * have none.
 */
static __always_inline __u32 frame_size(struct xdp_md *ctx, __u32 readable, __u32 wanted)
{
	if (wanted <= readable)
		return readable;
	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_get_buff_len))
		return readable;
	return bpf_xdp_get_buff_len(ctx);
}

static __always_inline enum packet_kind parse_tcp(struct packet *packet, struct frame frame,
						  void *transport, __u32 size)
{
	struct tcphdr *tcp = transport;
	__u32 header;

	if (size < sizeof(*tcp) || (void *)(tcp + 1) > frame.end)
		return PACKET_MALFORMED;
	header = tcp->doff * 4;
	if (header < sizeof(*tcp) || header > size)
		return PACKET_MALFORMED;
	packet->src_port = tcp->source;
	packet->dst_port = tcp->dest;
	packet->tcp_flags = ((__u8 *)tcp)[13];
	packet->tcp_seq = bpf_ntohl(tcp->seq);
	packet->tcp_ack = bpf_ntohl(tcp->ack_seq);
	packet->tcp_payload = size - header;
	return PACKET_TRANSPORT;
}

static __always_inline enum packet_kind parse_udp(struct packet *packet, struct frame frame,
						  void *transport, __u32 size)
{
	struct udphdr *udp = transport;
	__u32 length;

	if (size < sizeof(*udp) || (void *)(udp + 1) > frame.end)
		return PACKET_MALFORMED;
	length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp) || length > size)
		return PACKET_MALFORMED;
	if (!packet->is_ipv4 && udp->check == 0) /* RFC 8200, section 8.1 */
		return PACKET_MALFORMED;
	packet->src_port = udp->source;
	packet->dst_port = udp->dest;
	return PACKET_TRANSPORT;
}

static __always_inline enum packet_kind parse_transport(struct packet *packet, struct frame frame,
							void *transport, __u32 size)
{
	packet->transport_at = transport - frame.start;
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return parse_tcp(packet, frame, transport, size);
	case IPPROTO_UDP:
		return parse_udp(packet, frame, transport, size);
	case IPPROTO_ICMP:
		return packet->is_ipv4 ? PACKET_ICMP : PACKET_OTHER_PROTOCOL;
	case IPPROTO_ICMPV6:
		return packet->is_ipv4 ? PACKET_OTHER_PROTOCOL : PACKET_ICMP;
	default:
		return PACKET_OTHER_PROTOCOL;
	}
}

static __always_inline enum packet_kind parse_ipv4(struct xdp_md *ctx, struct packet *packet,
						   struct frame frame)
{
	struct iphdr *ip = frame.start + sizeof(struct ethhdr);
	__u32 header, wanted;

	if ((void *)(ip + 1) > frame.end)
		return PACKET_FOREIGN;
	packet->is_ipv4 = 1;
	packet->src = address_from_ipv4(ip->saddr);
	packet->dst = address_from_ipv4(ip->daddr);
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->ip_size = bpf_ntohs(ip->tot_len);
	header = ip->ihl * 4;
	wanted = sizeof(struct ethhdr) + packet->ip_size;
	if (ip->version != 4 || header < sizeof(*ip) || packet->ip_size < header ||
	    wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK))
		return PACKET_FRAGMENT;
	return parse_transport(packet, frame, (void *)ip + header, packet->ip_size - header);
}

static __always_inline enum packet_kind parse_ipv6(struct xdp_md *ctx, struct packet *packet,
						   struct frame frame)
{
	struct ipv6hdr *ip = frame.start + sizeof(struct ethhdr);
	__u32 payload, wanted;

	if ((void *)(ip + 1) > frame.end)
		return PACKET_FOREIGN;
	packet->is_ipv4 = 0;
	packet->src = address_from_bytes(&ip->saddr);
	packet->dst = address_from_bytes(&ip->daddr);
	/*
	 * On the wire such an address is a lie (RFC 4291, 2.5.5.2), and here it would read as IPv4.
	 */
	if (address_is_ipv4(packet->src) || address_is_ipv4(packet->dst))
		return PACKET_FOREIGN;
	packet->protocol = ip->nexthdr;
	packet->ttl = ip->hop_limit;
	payload = bpf_ntohs(ip->payload_len);
	packet->ip_size = sizeof(*ip) + payload;
	wanted = sizeof(struct ethhdr) + packet->ip_size;
	if (ip->version != 6 || wanted > frame_size(ctx, frame.end - frame.start, wanted))
		return PACKET_MALFORMED;
	if (packet->protocol == IPV6_FRAGMENT_HEADER)
		return PACKET_FRAGMENT;
	return parse_transport(packet, frame, ip + 1, payload);
}

static __always_inline enum packet_kind parse(struct xdp_md *ctx, struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct ethhdr *eth = frame.start;

	if ((void *)(eth + 1) > frame.end)
		return PACKET_FOREIGN;
	packet->ingress = ctx->ingress_ifindex;
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
	default:
		return PACKET_FOREIGN;
	}
}

#endif
