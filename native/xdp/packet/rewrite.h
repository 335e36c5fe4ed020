/* Changing a packet's addresses, ports, MACs and TTL, and sending it on its way. */
#ifndef TIDEGATE_REWRITE_H
#define TIDEGATE_REWRITE_H

#include "base/checksum.h"
#include "base/maps.h"
#include "fragment/fragment.h"
#include "packet/hop.h"
#include "packet/packet.h"
#include "packet/parse_unusual.h"
#include "packet/vlan.h"

static __always_inline void write_macs(__u32 *macs, const struct hop *hop)
{
	macs[0] = hop->macs[0];
	macs[1] = hop->macs[1];
	macs[2] = hop->macs[2];
}

/*
 * Both return the change of the addresses as a checksum sum, as the transport's pseudo-header has
 * them too. What is out of bounds cannot be: parse() saw it; the verifier did not.
 */
static __always_inline __u64 write_ipv4(struct frame frame, struct iphdr *ip,
					const struct hop *hop)
{
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

static __always_inline __u64 write_ipv6(struct frame frame, struct ipv6hdr *ip,
					const struct hop *hop)
{
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

static __always_inline void write_tcp(struct frame frame, struct tcphdr *tcp,
				      const struct hop *hop, __u64 change)
{
	if ((void *)(tcp + 1) > frame.end)
		return;
	tcp->source = hop->src_port;
	tcp->dest = hop->dst_port;
	tcp->check = checksum_apply(tcp->check, change);
}

/* No checksum stays none, and a computed 0 is sent as 0xffff (RFC 768). */
static __always_inline void write_udp(struct frame frame, struct udphdr *udp,
				      const struct hop *hop, __u64 change)
{
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

static __always_inline void write_transport(struct frame frame, const struct packet *packet,
					    void *transport, const struct hop *hop, __u64 change)
{
	change = checksum_change(change, (__u32)packet->src_port << 16 | packet->dst_port,
				 (__u32)hop->src_port << 16 | hop->dst_port);
	if (packet->protocol == IPPROTO_TCP)
		write_tcp(frame, transport, hop, change);
	else
		write_udp(frame, transport, hop, change);
}

/* The identification is in the fragment header, where IPv6 has one; IPv4's is in its checksum. */
static __always_inline void write_fragment_id(struct frame frame, const struct packet *packet,
					      __u32 id)
{
	struct iphdr *ip = network_header(frame, packet);
	struct extension_header *header =
		frame.start + (packet->fragment_at & TRANSPORT_AT_MASK);

	if (!packet->is_ipv4) {
		if ((void *)(header + 1) <= frame.end)
			header->id = id;
		return;
	}
	if ((void *)(ip + 1) > frame.end)
		return;
	ip->check = checksum_apply(ip->check, checksum_change(0, ip->id, (__u16)id));
	ip->id = id;
}

/*
 * For fragments, with tags on either side, or with headers of any length. A global function:
 * verified once. TG_COUNTER_COUNT, or why the packet cannot be sent.
 */
__noinline int rewrite_unusual(struct xdp_md *ctx, struct packet *packet, struct hop *hop)
{
	struct frame frame;
	__u64 change;
	void *ip;

	if (!packet || !hop)
		return TG_COUNTER_drop_no_room;
	if (!packet->unusual) {
		packet->tags = 0;
		packet->fragment = FRAGMENT_NONE;
	}
	if (!write_tags(ctx, packet, hop->vlans))
		return TG_COUNTER_drop_no_room;
	if (packet->fragment == FRAGMENT_FIRST)
		fragment_note(packet, hop);
	frame = frame_of(ctx);
	ip = network_header(frame, packet);
	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return TG_COUNTER_drop_no_room;
	write_macs(frame.start, hop);
	change = packet->is_ipv4 ? write_ipv4(frame, ip, hop) : write_ipv6(frame, ip, hop);
	if (packet->fragment != FRAGMENT_NONE)
		write_fragment_id(frame, packet, hop->fragment_id);
	if (packet->fragment != FRAGMENT_LATER)
		write_transport(frame, packet, transport_header(frame, packet), hop, change);
	return TG_COUNTER_COUNT;
}

/* TG_COUNTER_COUNT, or why the packet cannot be sent. */
static __always_inline enum tg_counter rewrite(struct xdp_md *ctx, struct packet *packet,
					       const struct hop *hop)
{
	struct frame frame = frame_of(ctx);
	void *ip = frame.start + sizeof(struct ethhdr);
	__u64 change;

	if (packet->unusual || hop->vlans) {
		struct hop *kept = hop_memory();

		if (!kept)
			return TG_COUNTER_drop_no_room;
		*kept = *hop;
		return rewrite_unusual(ctx, packet, kept);
	}
	if (ip > frame.end)
		return TG_COUNTER_drop_malformed;
	write_macs(frame.start, hop);
	if (packet->is_ipv4) {
		change = write_ipv4(frame, ip, hop);
		write_transport(frame, packet, ip + sizeof(struct iphdr), hop, change);
	} else {
		change = write_ipv6(frame, ip, hop);
		write_transport(frame, packet, ip + sizeof(struct ipv6hdr), hop, change);
	}
	return TG_COUNTER_COUNT;
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
