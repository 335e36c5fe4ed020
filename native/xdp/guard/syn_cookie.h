/*
 * SYN cookies (D. J. Bernstein, 1996; RFC 4987, 3.6): over a limit of new flows, a SYN is answered
 * without remembering it. What must be known later stands in the sequence number that we choose:
 *
 *   31 ......................... 3   2   1    0
 *   SipHash of the connection        MSS      parity of the tick
 *
 * The client's ACK brings it back. The tick, 69 s long, and the MSS are hashed too: a cookie holds
 * for one to two ticks, and one of 2^29 guessed ACKs is right by chance.
 *
 * The SYN-ACK offers nothing but an MSS, as there is no place to remember options, and a window of
 * 0: the client keeps its data until a backend has answered (syn_proxy.h).
 *
 * Not bpf_tcp_raw_gen_syncookie: it needs Linux 6.0 and CONFIG_SYN_COOKIES, and its check does not
 * tell the MSS.
 *
 * Not a first SYN that is forwarded without state either, with state from the backend's answer on:
 * it costs us no less, and gives the flood to the backends.
 */
#ifndef TIDEGATE_SYN_COOKIE_H
#define TIDEGATE_SYN_COOKIE_H

#include "base/config.h"
#include "flow/flow.h"
#include "flow/tcp.h"
#include "guard/siphash.h"
#include "packet/segment.h"

#define COOKIE_TICK_SHIFT 36 /* of nanoseconds */
#define COOKIE_LIFE_S (2 * (1ull << COOKIE_TICK_SHIFT) / NANOSECONDS)
#define COOKIE_MSS_SHIFT 1
#define COOKIE_MSS_MASK 3
#define COOKIE_HASH_MASK ~7u

/* Four MSS of 16 bits, rising: the smallest that must work, then what links on the way leave. */
#define COOKIE_MSS_IPV4 (536ull | 1300ull << 16 | 1440ull << 32 | 1460ull << 48)
#define COOKIE_MSS_IPV6 (1220ull | 1360ull << 16 | 1420ull << 32 | 1440ull << 48)
/* Of a SYN without the option (RFC 9293, 3.7.1). */
#define MSS_DEFAULT_IPV4 536
#define MSS_DEFAULT_IPV6 1220
#define MSS_OPTIONS_READ 8 /* it is the first in practice */

static __always_inline __u16 cookie_mss(const struct packet *packet, __u32 index)
{
	return (packet->is_ipv4 ? COOKIE_MSS_IPV4 : COOKIE_MSS_IPV6) >> 16 * index;
}

static __always_inline __u32 cookie_mss_index(const struct packet *packet, __u16 mss)
{
	__u32 index = COOKIE_MSS_MASK;

	while (index && cookie_mss(packet, index) > mss)
		index--;
	return index;
}

/*
 * Message: the addresses (IPv4: 4 bytes each), the ports as they stand in the packet, the client's
 * initial sequence number, the tick (4 bytes) and the MSS index (3), little-endian.
 */
__noinline __u32 cookie_make(const struct packet *packet, __u32 client_isn, __u32 tick,
			     __u32 mss_index)
{
	struct tg_config *cfg = config_get();
	struct siphash hash;
	__u64 length;

	if (!packet || !cfg)
		return 0;
	hash = siphash_start(cfg->cookie_key);
	if (packet->is_ipv4) {
		length = 8 + 15;
		siphash_add(&hash, address_to_ipv4(packet->src) |
					   (__u64)address_to_ipv4(packet->dst) << 32);
	} else {
		length = 32 + 15;
		siphash_add(&hash, packet->src.first);
		siphash_add(&hash, packet->src.last);
		siphash_add(&hash, packet->dst.first);
		siphash_add(&hash, packet->dst.last);
	}
	siphash_add(&hash, packet->src_port | (__u64)packet->dst_port << 16 |
				   (__u64)client_isn << 32);
	siphash_add(&hash, tick | (__u64)mss_index << 32 | length << 56);
	return (siphash_finish(&hash) & COOKIE_HASH_MASK) | mss_index << COOKIE_MSS_SHIFT |
	       (tick & 1);
}

static __always_inline __u16 syn_mss(struct frame frame, const struct packet *packet)
{
	__u8 *tcp = transport_header(frame, packet);
	__u16 none = packet->is_ipv4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6;
	__u32 at = sizeof(struct tcphdr), end;

	if (tcp + sizeof(struct tcphdr) > (__u8 *)frame.end)
		return none;
	end = (tcp[12] >> 4) * 4;
#pragma clang loop unroll(disable)
	for (int i = 0; i < MSS_OPTIONS_READ; i++) {
		__u8 *option = tcp + at;

		if (at + MSS_OPTION_SIZE > end || option + MSS_OPTION_SIZE > (__u8 *)frame.end)
			break;
		if (option[0] == MSS_OPTION && option[1] == MSS_OPTION_SIZE)
			return option[2] << 8 | option[3];
		if (option[0] == 0 || (option[0] != 1 && option[1] < 2))
			break;
		at += option[0] == 1 ? 1 : option[1];
		if (at > 60)
			break;
	}
	return none;
}

/* The largest packet that fits everywhere here, less the headers. */
static __always_inline __u16 offered_mss(const struct packet *packet, const struct tg_config *cfg)
{
	__u32 headers = sizeof(struct tcphdr) + (packet->is_ipv4 ? sizeof(struct iphdr) :
								   sizeof(struct ipv6hdr));
	__u32 least = packet->is_ipv4 ? MSS_DEFAULT_IPV4 : MSS_DEFAULT_IPV6;

	return cfg->mtu_min > headers + least ? cfg->mtu_min - headers : least;
}

static __always_inline void cookies_note(__u64 now_ns)
{
	__u32 zero = 0, now_s = now_ns / NANOSECONDS;
	struct tg_cookies *sent = bpf_map_lookup_elem(&cookies, &zero);

	if (sent && sent->sent_s != now_s)
		sent->sent_s = now_s;
}

/* Answers a SYN with a cookie. A global function: verified once. */
__noinline int cookie_send(struct xdp_md *ctx, const struct packet *packet, __u64 now_ns)
{
	struct tg_config *cfg = config_get();
	struct segment segment = { .flags = TCP_SYN | TCP_ACK };
	__u32 index;

	if (!packet || !cfg)
		return XDP_ABORTED;
	if (!segment_fits(packet))
		return drop(TG_COUNTER_drop_over_budget);
	index = cookie_mss_index(packet, syn_mss(frame_of(ctx), packet));
	segment.seq = cookie_make(packet, packet->tcp_seq, now_ns >> COOKIE_TICK_SHIFT, index);
	segment.ack = packet->tcp_seq + 1;
	segment.mss = offered_mss(packet, cfg);
	if (!segment_write(ctx, packet, &segment))
		return drop(TG_COUNTER_drop_no_room);
	cookies_note(now_ns);
	count(TG_COUNTER_cookie_sent);
	return segment_return(ctx, packet);
}

/* The acknowledged number is checked only while cookies may be under way. */
static __always_inline int cookies_are_out(__u64 now_ns)
{
	__u32 zero = 0, now_s = now_ns / NANOSECONDS;
	struct tg_cookies *sent = bpf_map_lookup_elem(&cookies, &zero);

	return sent && (__s32)(now_s - sent->sent_s) <= (__s32)COOKIE_LIFE_S;
}

/*
 * Whether the segment brings back a cookie. If so, `packet` becomes the SYN that we answered, but
 * for `tcp_ack`, which stays the cookie plus one. A global function: verified once.
 */
__noinline int cookie_check(struct packet *packet, __u64 now_ns)
{
	__u32 cookie, tick, index, isn;

	if (!packet || !cookies_are_out(now_ns) || !segment_fits(packet))
		return 0;
	cookie = packet->tcp_ack - 1;
	index = cookie >> COOKIE_MSS_SHIFT & COOKIE_MSS_MASK;
	tick = now_ns >> COOKIE_TICK_SHIFT;
	tick -= (tick ^ cookie) & 1;
	isn = packet->tcp_seq - 1;
	if (cookie_make(packet, isn, tick, index) != cookie) {
		/* Its ACK was lost, and it asks whether our window is open by an old number. */
		isn += 1;
		if (packet->tcp_payload || cookie_make(packet, isn, tick, index) != cookie)
			return 0;
	}
	packet->tcp_flags = TCP_SYN;
	packet->tcp_seq = isn;
	packet->tcp_payload = 0;
	return 1;
}

static __always_inline int cookie_is_returned(struct packet *packet, __u64 now_ns)
{
	return packet->protocol == IPPROTO_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK &&
	       cookie_check(packet, now_ns);
}

#endif
