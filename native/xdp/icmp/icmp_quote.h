/*
 * The packet that an ICMP error quotes: read, and rewritten for who sent it. Whatever the quote
 * lacks stays as it is; all checksums are changed and not computed anew.
 */
#ifndef TIDEGATE_ICMP_QUOTE_H
#define TIDEGATE_ICMP_QUOTE_H

#include "base/checksum.h"
#include "choice/backend.h"
#include "flow/flow.h"
#include "icmp/icmp.h"
#include "packet/hop.h"
#include "packet/parse_unusual.h"

/* Beyond it an ICMP error has extension headers of its own, which nobody sends. */
#define QUOTE_AT_MAX 96
#define QUOTED_TRANSPORT_MIN 8 /* RFC 792: ports, and TCP's sequence number */

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
	__u32 at, end, *words;
	struct packet *turned;

	if (!packet || !error)
		return TG_COUNTER_drop_malformed;
	turned = &error->turned;
	at = packet->transport_at + sizeof(struct icmp_header);
	if (at > QUOTE_AT_MAX)
		return TG_COUNTER_drop_extension;
	end = packet->l3_at + packet->ip_size;
	if (at + (packet->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) > end)
		return TG_COUNTER_drop_malformed;
	turned->is_ipv4 = packet->is_ipv4;
	turned->l3_at = at;
	turned->ip_size = end - at; /* of it, what is quoted */
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

#endif
