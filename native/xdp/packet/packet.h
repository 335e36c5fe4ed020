/* What a packet says, and reading one header of it. */
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
#include "dataplane_abi.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define TAGS_MAX 2

/* How far the packet could be read. From PACKET_ICMP on, `src` and `dst` are known. */
enum packet_kind {
	PACKET_FOREIGN, /* not IP over Ethernet with at most two tags: nothing we look into */
	PACKET_TRANSPORT, /* TCP or UDP, whole and consistent, or the first fragment of it */
	PACKET_ICMP,
	PACKET_OTHER_PROTOCOL,
	PACKET_FRAGMENT, /* a later fragment, or one of neither TCP nor UDP */
	PACKET_MALFORMED,
	PACKET_REFUSED, /* for the reason in `refused` */
};

enum packet_fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST,
	FRAGMENT_LATER,
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
	__u8 protocol; /* of the transport, behind extension headers */
	__u8 ttl;
	__u8 tcp_flags;
	__u32 tcp_seq;
	__u32 tcp_ack;
	__u32 tcp_payload; /* bytes */
	__u16 transport_at; /* offset of the transport's header in the frame */
	__u8 l3_at;	    /* offset of the IP header in the frame: behind the tags */
	__u8 unusual;	    /* has tags, options, extension headers, or is a fragment */
	/*
	 * The VLANs it came by, as tg_flow and tg_backend have them: `vlan` below, `inner_vlan` in
	 * the upper 16 bits.
	 */
	__u32 vlans;
	/* What follows is set for unusual packets only. */
	__be16 tci[TAGS_MAX]; /* the tags as they stand in the frame */
	__u8 tags;	      /* how many there are */
	__u8 fragment;	      /* enum packet_fragment */
	__u16 fragment_at;    /* IPv6: offset of the fragment header in the frame */
	__u16 extension_at;   /* IPv6: offset of the last extension header in the frame */
	__u32 fragment_id;    /* as it stands in the packet */
	__u32 refused;	      /* enum tg_counter */
};

/* The bytes that may be read and written directly. */
struct frame {
	void *start;
	void *end;
};

/*
 * Offsets that were read from a map, for the verifier: beyond what parsing lets through, and small
 * enough that a pointer may be moved by them.
 */
#define L3_AT_MASK 31
#define TRANSPORT_AT_MASK 511

static __always_inline struct frame frame_of(struct xdp_md *ctx)
{
	return (struct frame){ (void *)(long)ctx->data, (void *)(long)ctx->data_end };
}

static __always_inline void *network_header(struct frame frame, const struct packet *packet)
{
	return frame.start + (packet->l3_at & L3_AT_MASK);
}

static __always_inline void *transport_header(struct frame frame, const struct packet *packet)
{
	return frame.start + (packet->transport_at & TRANSPORT_AT_MASK);
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

static __always_inline enum packet_kind refuse(struct packet *packet, enum tg_counter reason)
{
	packet->refused = reason;
	return PACKET_REFUSED;
}

/* `size`: what the IP header leaves for the transport. */
static __always_inline enum packet_kind read_tcp(struct packet *packet, struct frame frame,
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

/* A first fragment's length is that of the whole datagram. */
static __always_inline enum packet_kind read_udp(struct packet *packet, struct frame frame,
						 void *transport, __u32 size, int first_fragment)
{
	struct udphdr *udp = transport;
	__u32 length;

	if (size < sizeof(*udp) || (void *)(udp + 1) > frame.end)
		return PACKET_MALFORMED;
	length = bpf_ntohs(udp->len);
	if (length < sizeof(*udp) || (first_fragment ? length < size : length > size))
		return PACKET_MALFORMED;
	if (!packet->is_ipv4 && udp->check == 0) /* RFC 8200, section 8.1 */
		return PACKET_MALFORMED;
	packet->src_port = udp->source;
	packet->dst_port = udp->dest;
	return PACKET_TRANSPORT;
}

static __always_inline enum packet_kind read_transport(struct packet *packet, struct frame frame,
						       void *transport, __u32 size,
						       int first_fragment)
{
	switch (packet->protocol) {
	case IPPROTO_TCP:
		return read_tcp(packet, frame, transport, size);
	case IPPROTO_UDP:
		return read_udp(packet, frame, transport, size, first_fragment);
	case IPPROTO_ICMP:
		return packet->is_ipv4 ? PACKET_ICMP : PACKET_OTHER_PROTOCOL;
	case IPPROTO_ICMPV6:
		return packet->is_ipv4 ? PACKET_OTHER_PROTOCOL : PACKET_ICMP;
	default:
		return PACKET_OTHER_PROTOCOL;
	}
}

/* The fixed header, as far as it stands for itself. Its length field is not checked here. */
static __always_inline void read_ipv4(struct packet *packet, const struct iphdr *ip)
{
	packet->is_ipv4 = 1;
	packet->src = address_from_ipv4(ip->saddr);
	packet->dst = address_from_ipv4(ip->daddr);
	packet->protocol = ip->protocol;
	packet->ttl = ip->ttl;
	packet->ip_size = bpf_ntohs(ip->tot_len);
}

/*
 * 0 for IPv4-mapped addresses: on the wire they are a lie (RFC 4291, 2.5.5.2), and here they would
 * read as IPv4.
 */
static __always_inline int read_ipv6(struct packet *packet, const struct ipv6hdr *ip)
{
	packet->is_ipv4 = 0;
	packet->src = address_from_bytes(&ip->saddr);
	packet->dst = address_from_bytes(&ip->daddr);
	packet->protocol = ip->nexthdr;
	packet->ttl = ip->hop_limit;
	packet->ip_size = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	return !address_is_ipv4(packet->src) && !address_is_ipv4(packet->dst);
}

#endif
