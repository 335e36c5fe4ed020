/* Changing a packet's addresses, ports, MACs and TTL, and sending it on its way. */
#ifndef TIDEGATE_REWRITE_H
#define TIDEGATE_REWRITE_H

#include "checksum.h"
#include "maps.h"
#include "packet.h"

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

/* Returns the change of the addresses as a checksum sum: the transport's pseudo-header has them too. */
static __always_inline __u64 rewrite_ip(struct packet *packet, const struct hop *hop)
{
	__u64 change = 0;

	if (packet->is_ipv4) {
		struct iphdr *ip = packet->ip;
		__be32 src = address_to_ipv4(hop->src);
		__be32 dst = address_to_ipv4(hop->dst);

		change = checksum_change(change, ip->saddr, src);
		change = checksum_change(change, ip->daddr, dst);
		ip->check = checksum_apply(ip->check,
					   checksum_change(change, ip->ttl, ip->ttl - 1));
		ip->saddr = src;
		ip->daddr = dst;
		ip->ttl -= 1;
	} else {
		struct ipv6hdr *ip = packet->ip;

		change = checksum_change_address(change, packet->src, hop->src);
		change = checksum_change_address(change, packet->dst, hop->dst);
		address_to_bytes(hop->src, &ip->saddr);
		address_to_bytes(hop->dst, &ip->daddr);
		ip->hop_limit -= 1;
	}
	return change;
}

/* UDP: no checksum stays none, and a computed 0 is sent as 0xffff (RFC 768). */
static __always_inline void rewrite_transport(struct packet *packet, const struct hop *hop,
					      __u64 change)
{
	__u32 from = (__u32)packet->src_port << 16 | packet->dst_port;
	__u32 to = (__u32)hop->src_port << 16 | hop->dst_port;

	change = checksum_change(change, from, to);
	if (packet->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = packet->transport;

		tcp->source = hop->src_port;
		tcp->dest = hop->dst_port;
		tcp->check = checksum_apply(tcp->check, change);
	} else {
		struct udphdr *udp = packet->transport;
		__u16 check = udp->check;

		udp->source = hop->src_port;
		udp->dest = hop->dst_port;
		if (check) {
			check = checksum_apply(check, change);
			udp->check = check ? check : 0xffff;
		}
	}
}

/* The verdict: back out of the interface it came in by, or to another. XDP_ABORTED: no such way out. */
static __always_inline int send(const struct packet *packet, __u32 ifindex)
{
	if (ifindex == packet->ingress)
		return XDP_TX;
	return bpf_redirect_map(&ports, ifindex, XDP_ABORTED);
}

/* The packet's headers were checked by parse(); the compiler keeps what the verifier learned there. */
static __always_inline int rewrite_and_send(struct packet *packet, const struct hop *hop)
{
	__u32 *macs = packet->start;
	__u64 change;

	change = rewrite_ip(packet, hop);
	rewrite_transport(packet, hop, change);
	macs[0] = hop->macs[0];
	macs[1] = hop->macs[1];
	macs[2] = hop->macs[2];
	return send(packet, hop->ifindex);
}

#endif
