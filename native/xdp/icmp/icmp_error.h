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

#include "base/config.h"
#include "base/counters.h"
#include "choice/vip.h"
#include "flow/tcp.h"
#include "icmp/icmp_quote.h"
#include "packet/rewrite.h"

/*
 * How far behind a quoted sequence number may be: what is in flight, as retransmissions start from
 * there. The receiver knows exactly (RFC 5927, section 4.1), and checks again.
 */
#define QUOTED_SEQUENCE_BEHIND (1u << 26)

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
	entry = flow_find(flow, 0);
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
