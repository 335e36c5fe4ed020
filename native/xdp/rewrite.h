/* Changing a packet's addresses, ports, MACs and TTL, and sending it on its way. */
#ifndef TIDEGATE_REWRITE_H
#define TIDEGATE_REWRITE_H

#include "checksum.h"
#include "maps.h"
#include "packet.h"

#define TRANSPORT_AT_MASK 127 /* Ethernet and the longest IP header are 74 bytes */

/* What the packet is to be. */
struct hop {
	struct address src;
	struct address dst;
	__be16 src_port;
	__be16 dst_port;
	__u32 ifindex;
	__u32 macs[3]; /* destination, source */
};

/* The two MACs stand next to each other in flows and backends, as they do in the frame. */
static __always_inline void hop_set_macs(struct hop *hop, const __u8 *dst_and_src)
{
	const __u32 *words = (const __u32 *)dst_and_src;

	hop->macs[0] = words[0];
	hop->macs[1] = words[1];
	hop->macs[2] = words[2];
}

/*
 * Both return the change of the addresses as a checksum sum, as the transport's pseudo-header has
 * them too. What is out of bounds cannot be: parse() saw it; the verifier did not.
 */
static __always_inline __u64 rewrite_ipv4(struct frame frame, const struct hop *hop)
{
	struct iphdr *ip = frame.start + sizeof(struct ethhdr);
	__be32 src = address_to_ipv4(hop->src);
	__be32 dst = address_to_ipv4(hop->dst);
	__u64 change = 0;

	if ((void *)(ip + 1) > frame.end)
		return 0;
	change = checksum_change(change, ip->saddr, src);
	change = checksum_change(change, ip->daddr, dst);
	ip->check = checksum_apply(ip->check, checksum_change(change, ip->ttl, ip->ttl - 1));
	ip->saddr = src;
	ip->daddr = dst;
	ip->ttl -= 1;
	return change;
}

static __always_inline __u64 rewrite_ipv6(struct frame frame, const struct hop *hop)
{
	struct ipv6hdr *ip = frame.start + sizeof(struct ethhdr);
	__u64 change = 0;

	if ((void *)(ip + 1) > frame.end)
		return 0;
	change = checksum_change_address(change, address_from_bytes(&ip->saddr), hop->src);
	change = checksum_change_address(change, address_from_bytes(&ip->daddr), hop->dst);
	address_to_bytes(hop->src, &ip->saddr);
	address_to_bytes(hop->dst, &ip->daddr);
	ip->hop_limit -= 1;
	return change;
}

static __always_inline void rewrite_tcp(struct frame frame, void *transport, const struct hop *hop,
					__u64 change)
{
	struct tcphdr *tcp = transport;

	if ((void *)(tcp + 1) > frame.end)
		return;
	tcp->source = hop->src_port;
	tcp->dest = hop->dst_port;
	tcp->check = checksum_apply(tcp->check, change);
}

/* No checksum stays none, and a computed 0 is sent as 0xffff (RFC 768). */
static __always_inline void rewrite_udp(struct frame frame, void *transport, const struct hop *hop,
					__u64 change)
{
	struct udphdr *udp = transport;
	__u16 check;

	if ((void *)(udp + 1) > frame.end)
		return;
	udp->source = hop->src_port;
	udp->dest = hop->dst_port;
	if (udp->check == 0)
		return;
	check = checksum_apply(udp->check, change);
	udp->check = check ? check : 0xffff;
}

static __always_inline void rewrite(struct xdp_md *ctx, const struct packet *packet,
				    const struct hop *hop)
{
	struct frame frame = frame_of(ctx);
	__u32 *macs = frame.start;
	void *transport = frame.start + (packet->transport_at & TRANSPORT_AT_MASK);
	__u64 change;

	if ((void *)(macs + 3) > frame.end)
		return;
	macs[0] = hop->macs[0];
	macs[1] = hop->macs[1];
	macs[2] = hop->macs[2];
	change = packet->is_ipv4 ? rewrite_ipv4(frame, hop) : rewrite_ipv6(frame, hop);
	change = checksum_change(change, (__u32)packet->src_port << 16 | packet->dst_port,
				 (__u32)hop->src_port << 16 | hop->dst_port);
	if (packet->protocol == IPPROTO_TCP)
		rewrite_tcp(frame, transport, hop, change);
	else
		rewrite_udp(frame, transport, hop, change);
}

/*
 * The verdict: back out of the interface it came in by, or to another. XDP_ABORTED: no such way
 * out.
 */
static __always_inline int send(const struct packet *packet, __u32 ifindex)
{
	TRACE(sent, ifindex);
	if (ifindex == packet->ingress)
		return XDP_TX;
	return bpf_redirect_map(&ports, ifindex, XDP_ABORTED);
}

#endif
