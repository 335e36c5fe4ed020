/*
 * ICMP errors about packets of a flow, translated for who sent those packets (RFC 5508, section 4;
 * RFC 4443). The quoted packet is as we sent it, and becomes what its sender knows:
 *
 *   to a VIP:         quotes VIP:port --> client:port, which the backend sent as
 *                     backend:port --> NAT address:NAT port
 *   to a NAT address: quotes NAT address:NAT port --> backend:port, which the client sent as
 *                     client:port --> VIP:port
 *
 * Whatever the quote lacks stays as it is, and all checksums are changed and not computed anew: a
 * wrong one stays wrong, for its receiver to see. An error neither keeps a flow alive nor ends it.
 */
#ifndef TIDEGATE_ICMP_ERROR_H
#define TIDEGATE_ICMP_ERROR_H

#include "backend.h"
#include "counters.h"
#include "flow.h"
#include "icmp.h"
#include "parse_unusual.h"
#include "rewrite.h"
#include "tcp.h"
#include "vip.h"

/* Beyond it an ICMP error has extension headers of its own, which nobody sends. */
#define QUOTE_AT_MAX 96
#define QUOTED_TRANSPORT_MIN 8 /* RFC 792: ports, and TCP's sequence number */
/*
 * How far behind a quoted sequence number may be: what is in flight, as retransmissions start from
 * there. The receiver knows exactly (RFC 5927, section 4.1), and checks again.
 */
#define QUOTED_SEQUENCE_BEHIND (1u << 26)

/* An error, and the flow of the packet it is about. */
struct icmp_error {
	/*
	 * The quoted packet as if it came back, from whom it was for; its l3_at and transport_at
	 * are those of the quote.
	 */
	struct packet turned;
	struct flow flow;
	struct backend backend;
	struct hop hop;
	__u32 sequence_shift; /* what the quoted TCP sequence number changes by */
	__u32 ack_shift;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct icmp_error);
} icmp_error_memory SEC(".maps");

/* Where the quoted headers are. */
static __always_inline void *quote_header(struct frame frame, const struct icmp_error *error)
{
	return frame.start + (error->turned.l3_at & TRANSPORT_AT_MASK);
}

/* Each reads the quoted IP header: 0 when it lies or is cut short. */
static __always_inline int quote_ipv4(struct frame frame, struct icmp_error *error)
{
	struct packet *turned = &error->turned;
	struct iphdr *ip = quote_header(frame, error);

	if ((void *)(ip + 1) > frame.end || ip->version != 4 || ip->ihl * 4 < sizeof(*ip))
		return 0;
	turned->src = address_from_ipv4(ip->daddr);
	turned->dst = address_from_ipv4(ip->saddr);
	turned->protocol = ip->protocol;
	turned->transport_at = turned->l3_at + ip->ihl * 4;
	if (ip->frag_off & bpf_htons(IPV4_OFFSET_MASK))
		turned->fragment = FRAGMENT_LATER;
	return 1;
}

static __always_inline int quote_ipv6(struct xdp_md *ctx, struct frame frame,
				      struct icmp_error *error)
{
	struct packet *turned = &error->turned;
	struct ipv6hdr *ip = quote_header(frame, error);

	if ((void *)(ip + 1) > frame.end || ip->version != 6)
		return 0;
	turned->src = address_from_bytes(&ip->daddr);
	turned->dst = address_from_bytes(&ip->saddr);
	turned->protocol = ip->nexthdr;
	turned->transport_at = turned->l3_at + sizeof(*ip);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (!is_extension(turned->protocol) || turned->fragment == FRAGMENT_LATER)
			break;
		if (parse_extension(ctx, turned) != PACKET_TRANSPORT)
			return 0;
	}
	return 1;
}

/*
 * Reads the quote: TG_COUNTER_COUNT, or why it does not say whose packet it was. A later fragment
 * does not.
 */
__noinline int quote_read(struct xdp_md *ctx, const struct packet *packet,
			  struct icmp_error *error)
{
	struct frame frame = frame_of(ctx);
	struct packet *turned;
	__u32 at, *words;

	if (!packet || !error)
		return TG_COUNTER_drop_malformed;
	turned = &error->turned;
	at = packet->transport_at + sizeof(struct icmp_header);
	if (at > QUOTE_AT_MAX)
		return TG_COUNTER_drop_extension;
	turned->is_ipv4 = packet->is_ipv4;
	turned->l3_at = at;
	turned->ip_size = packet->l3_at + packet->ip_size - at; /* of it, what is quoted */
	turned->fragment = FRAGMENT_NONE;
	turned->fragment_at = 0;
	if (!(packet->is_ipv4 ? quote_ipv4(frame, error) : quote_ipv6(ctx, frame, error)))
		return TG_COUNTER_drop_malformed;
	if (turned->fragment == FRAGMENT_LATER ||
	    (turned->protocol != IPPROTO_TCP && turned->protocol != IPPROTO_UDP))
		return TG_COUNTER_drop_icmp_unmatched;
	words = transport_header(frame, turned);
	if (turned->transport_at - at + QUOTED_TRANSPORT_MIN > turned->ip_size ||
	    (void *)(words + 2) > frame.end)
		return TG_COUNTER_drop_malformed;
	turned->dst_port = words[0];
	turned->src_port = words[0] >> 16;
	turned->tcp_seq = bpf_ntohl(words[1]);
	error->sequence_shift = 0;
	error->ack_shift = 0;
	return TG_COUNTER_COUNT;
}

static __always_inline int quoted_sequence_is_plausible(__u32 sequence, __u32 noted)
{
	return sequence - noted + QUOTED_SEQUENCE_BEHIND <=
	       QUOTED_SEQUENCE_BEHIND + SEQUENCE_AHEAD;
}

/* By how much a flow's numbers from the backend are higher for the client. */
static __always_inline __u32 flow_offset(const struct flow *flow)
{
	__u32 index = flow->index;
	struct tg_offset *offset;

	if (!(flow->word.flags & TG_FLOW_PROXIED))
		return 0;
	offset = bpf_map_lookup_elem(&offsets, &index);
	return offset ? offset->sequence : 0;
}

/*
 * About a packet from the VIP to a client: to the backend, as if the NAT address had been told.
 * This and what follows it are global functions: rare, and verified once each, with little stack.
 */
__noinline int error_to_backend(const struct packet *packet, struct icmp_error *error)
{
	const struct tg_backend *record;
	struct tg_config *cfg = config_get();
	struct tg_nat_address *nat;
	struct tg_flow *entry;
	struct packet *turned;
	struct tg_vip *vip;
	struct flow *flow;
	__u32 nat_index;

	if (!packet || !error || !cfg)
		return TG_COUNTER_drop_icmp_unmatched;
	record = &error->backend.record;
	turned = &error->turned;
	flow = &error->flow;
	if (!address_equal(turned->dst, packet->dst))
		return TG_COUNTER_drop_icmp_unmatched;
	vip = find_vip(packet, turned->dst_port, turned->protocol);
	if (!vip)
		return TG_COUNTER_drop_icmp_unmatched;
	flow_key_init(&flow->key, cfg, turned, vip->server);
	entry = flow_find(flow);
	if (!entry || !(flow->word.flags & TG_FLOW_ANSWERED))
		return TG_COUNTER_drop_icmp_unmatched;
	error->sequence_shift = -flow_offset(flow);
	if (turned->protocol == IPPROTO_TCP &&
	    !quoted_sequence_is_plausible(turned->tcp_seq + error->sequence_shift,
					  READ_ONCE(entry->backend_seq)))
		return TG_COUNTER_drop_icmp_unmatched;
	nat_index = flow->word.nat;
	nat = bpf_map_lookup_elem(&nat_addresses, &nat_index);
	if (!nat || !backend_read(flow->backend, &error->backend))
		return TG_COUNTER_drop_icmp_unmatched;
	if (!(record->flags & TG_BACKEND_REACHABLE))
		return TG_COUNTER_drop_no_neighbour;
	if (packet->ip_size > record->mtu)
		return TG_COUNTER_drop_too_big;
	error->hop.src = address_from_bytes(nat->addr);
	error->hop.src_port = flow->nat_port;
	error->hop.dst = address_from_bytes(record->addr);
	error->hop.dst_port = record->port;
	error->hop.ifindex = record->ifindex;
	error->hop.vlans = vlans_of(record->vlan, record->inner_vlan);
	hop_set_macs(&error->hop, record->dst_mac);
	return TG_COUNTER_COUNT;
}

/* About a packet from a NAT address to a backend: to the client, as if the VIP had said it. */
__noinline int error_to_client(const struct packet *packet, struct icmp_error *error)
{
	struct tg_config *cfg = config_get();
	struct tg_server *server;
	struct tg_flow *entry;
	struct packet *turned;
	struct flow *flow;

	if (!packet || !error || !cfg)
		return TG_COUNTER_drop_icmp_unmatched;
	turned = &error->turned;
	flow = &error->flow;
	if (!address_equal(turned->dst, packet->dst))
		return TG_COUNTER_drop_icmp_unmatched;
	entry = flow_find_reverse(turned, cfg, flow);
	if (!entry)
		return TG_COUNTER_drop_icmp_unmatched;
	server = bpf_map_lookup_elem(&servers, &flow->server);
	if (!server || (turned->protocol == IPPROTO_TCP &&
			!quoted_sequence_is_plausible(turned->tcp_seq,
						      READ_ONCE(entry->client_seq))))
		return TG_COUNTER_drop_icmp_unmatched;
	error->ack_shift = flow_offset(flow);
	error->hop.src = address_from_bytes(server->addr);
	error->hop.src_port = server->port;
	error->hop.dst = address_from_bytes(entry->client);
	error->hop.dst_port = entry->client_port;
	error->hop.ifindex = READ_ONCE(entry->client_ifindex);
	error->hop.vlans = READ_ONCE(*flow_vlans(entry));
	hop_set_macs(&error->hop, entry->client_mac);
	load_barrier();
	return READ_ONCE(entry->tag) == flow->word.tag ? TG_COUNTER_COUNT :
							 TG_COUNTER_drop_icmp_unmatched;
}

/* Replaces a word and adds the change to the sum. */
static __always_inline __u64 replace(__u64 sum, __u32 *word, __u32 to)
{
	sum = checksum_change(sum, *word, to);
	*word = to;
	return sum;
}

/*
 * The quoted addresses become the hop's, turned around. Returns the change of the addresses; what
 * else changed is added to `also`.
 */
static __always_inline __u64 quote_rewrite_ip(struct frame frame, const struct icmp_error *error,
					      const struct hop *hop, __u64 *also)
{
	void *start = quote_header(frame, error);
	struct ipv6hdr *ip6 = start;
	struct iphdr *ip4 = start;
	__u64 change = 0;
	__u16 check;

	if (error->turned.is_ipv4) {
		if ((void *)(ip4 + 1) > frame.end)
			return 0;
		change = replace(change, &ip4->saddr, address_to_ipv4(hop->dst));
		change = replace(change, &ip4->daddr, address_to_ipv4(hop->src));
		check = checksum_apply(ip4->check, change);
		*also = checksum_change(*also, ip4->check, check);
		ip4->check = check;
		return change;
	}
	if ((void *)(ip6 + 1) > frame.end)
		return 0;
	change = checksum_change_address(change, address_from_bytes(&ip6->saddr), hop->dst);
	change = checksum_change_address(change, address_from_bytes(&ip6->daddr), hop->src);
	address_to_bytes(hop->dst, &ip6->saddr);
	address_to_bytes(hop->src, &ip6->daddr);
	return change;
}

/* The transport's checksum, as it was before `change`. Returns its own change. */
static __always_inline __u64 quote_rewrite_check(__u16 *check, __u64 change, int is_udp)
{
	__u16 before = *check;
	__u16 after = checksum_apply(before, change);

	if (is_udp) {
		if (before == 0)
			return 0;
		after = after ? after : 0xffff;
	}
	*check = after;
	return checksum_change(0, before, after);
}

/*
 * The quoted ports and numbers, and the checksum where it is quoted. `change` is that of the
 * quoted addresses; returns it with all of this.
 */
static __always_inline __u64 quote_rewrite_transport(struct frame frame,
						     const struct icmp_error *error,
						     const struct hop *hop, __u64 change)
{
	__u32 *words = transport_header(frame, &error->turned);
	__u32 quoted = error->turned.ip_size - (error->turned.transport_at - error->turned.l3_at);
	__u16 *halves = (__u16 *)words;

	if ((void *)(words + 2) > frame.end)
		return 0;
	change = replace(change, words, (__u32)hop->src_port << 16 | hop->dst_port);
	if (error->turned.protocol == IPPROTO_UDP)
		return change + quote_rewrite_check(halves + 3, change, 1);
	change = replace(change, words + 1,
			 bpf_htonl(error->turned.tcp_seq + error->sequence_shift));
	if (quoted < 12 || (void *)(words + 3) > frame.end)
		return change;
	change = replace(change, words + 2, bpf_htonl(bpf_ntohl(words[2]) + error->ack_shift));
	if (quoted < 18 || (void *)(halves + 9) > frame.end)
		return change;
	return change + quote_rewrite_check(halves + 8, change, 0);
}

/* A copy in registers: from memory, the compiler would move addresses byte by byte. */
static __always_inline struct hop hop_copy(const struct hop *hop)
{
	return (struct hop){
		.src = { READ_ONCE(hop->src.first), READ_ONCE(hop->src.last) },
		.dst = { READ_ONCE(hop->dst.first), READ_ONCE(hop->dst.last) },
		.src_port = hop->src_port,
		.dst_port = hop->dst_port,
		.vlans = hop->vlans,
		.macs = { hop->macs[0], hop->macs[1], hop->macs[2] },
	};
}

/* TG_COUNTER_COUNT, or why the packet cannot be sent. */
__noinline int error_rewrite(struct xdp_md *ctx, struct packet *packet, struct icmp_error *error)
{
	struct icmp_header *icmp;
	__u64 quote, also = 0;
	struct frame frame;
	struct hop hop;
	__u32 moved;

	if (!packet || !error)
		return TG_COUNTER_drop_no_room;
	if (!packet->unusual)
		packet->tags = 0;
	moved = packet->l3_at;
	if (!write_tags(ctx, packet, error->hop.vlans))
		return TG_COUNTER_drop_no_room;
	moved = packet->l3_at - moved;
	error->turned.l3_at += moved;
	error->turned.transport_at += moved;
	frame = frame_of(ctx);
	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return TG_COUNTER_drop_no_room;
	hop = hop_copy(&error->hop);
	write_macs(frame.start, &hop);
	if (packet->is_ipv4)
		write_ipv4(frame, network_header(frame, packet), &hop);
	else
		also = write_ipv6(frame, network_header(frame, packet), &hop);
	quote = quote_rewrite_ip(frame, error, &hop, &also);
	quote = quote_rewrite_transport(frame, error, &hop, quote);
	icmp = icmp_header_of(ctx, packet);
	if (icmp)
		icmp->check = checksum_apply(icmp->check, also + quote);
	return TG_COUNTER_COUNT;
}

/*
 * An ICMP error to a VIP, or to what may be a NAT address. What is of no flow is dropped for the
 * VIP, and is the kernel's otherwise: it may be about the box's own packets.
 */
__noinline int icmp_error_forward(struct xdp_md *ctx, struct packet *packet, int to_vip)
{
	struct icmp_error *error;
	enum tg_counter obstacle;
	__u32 zero = 0;
	int verdict;

	error = own_map_lookup(&icmp_error_memory, &zero);
	if (!packet || !error)
		return XDP_DROP;
	error->flow.word.raw = 0;
	obstacle = quote_read(ctx, packet, error);
	if (obstacle == TG_COUNTER_COUNT)
		obstacle = to_vip ? error_to_backend(packet, error) :
				    error_to_client(packet, error);
	if (!to_vip && (obstacle == TG_COUNTER_drop_icmp_unmatched ||
			obstacle == TG_COUNTER_drop_malformed))
		return pass_to_kernel();
	if (obstacle != TG_COUNTER_COUNT)
		return drop(obstacle);
	if (packet->ttl <= 1)
		return drop(TG_COUNTER_drop_ttl);
	obstacle = error_rewrite(ctx, packet, error);
	if (obstacle != TG_COUNTER_COUNT)
		return drop(obstacle);
	verdict = send(packet, error->hop.ifindex);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	count(to_vip ? TG_COUNTER_icmp_forwarded : TG_COUNTER_icmp_returned);
	return verdict;
}

#endif
