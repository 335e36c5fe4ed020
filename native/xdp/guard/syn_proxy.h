/*
 * Connections that were opened by a SYN cookie. The client's handshake is over before there is a
 * backend, so we do the backend's for him:
 *
 *   client                          here                                    backend
 *     SYN ------------------------->
 *     <-------- SYN-ACK, seq=cookie, window 0
 *     ACK ------------------------->  flow opened, half-open   SYN, seq of the client's ---->
 *                                     offset = cookie - ISN   <----- SYN-ACK, seq=ISN
 *     <-- one old byte, seq=cookie, the backend's window
 *     ACK or data ----------------->  ------------------------------- ACK or data ---------->
 *
 * Towards the backend the client's own sequence numbers hold; its own are moved by the offset on
 * their way to the client, and back in acknowledgements. No other option is offered to either side,
 * so there are no SACK blocks to move.
 *
 * The old byte, as of a keep-alive (RFC 9293, 3.8.4), makes the client acknowledge at once, which
 * is the backend's third segment, whoever talks first. A stack that takes no window from it learns
 * the window from the backend's next segment.
 *
 * Lost segments: a repeated SYN-ACK repeats the byte; whatever the client sends meanwhile repeats
 * the SYN. Only a lost SYN of a client that waits for the server's first word is not made good.
 */
#ifndef TIDEGATE_SYN_PROXY_H
#define TIDEGATE_SYN_PROXY_H

#include "flow/tcp.h"
#include "guard/syn_cookie.h"
#include "packet/segment.h"
#include "reply/reject.h"

static __always_inline __be16 window_of(struct xdp_md *ctx, const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct tcphdr *tcp = transport_header(frame, packet);

	return (void *)(tcp + 1) > frame.end ? 0 : tcp->window;
}

static __always_inline enum tg_counter proxy_write(struct xdp_md *ctx, const struct packet *packet,
						   const struct segment *segment)
{
	return segment_write(ctx, packet, segment) ? TG_COUNTER_COUNT : TG_COUNTER_drop_no_room;
}

/* Changes one of the two sequence numbers in the frame; `at` is its word in the header. */
static __always_inline void proxy_move_sequence(struct xdp_md *ctx, const struct packet *packet,
						int at, __u32 change)
{
	struct frame frame = frame_of(ctx);
	struct tcphdr *tcp = transport_header(frame, packet);
	__u32 *word = (__u32 *)tcp + at;
	__u32 moved;

	if ((void *)(tcp + 1) > frame.end)
		return;
	moved = bpf_htonl(bpf_ntohl(*word) + change);
	tcp->check = checksum_apply(tcp->check, checksum_change(0, *word, moved));
	*word = moved;
}

/* Whether that acknowledges the very cookie that the flow was opened by. */
static __always_inline int proxy_is_cookie_of(__u32 index, __u32 acknowledged)
{
	struct tg_offset *offset = bpf_map_lookup_elem(&offsets, &index);

	return offset && READ_ONCE(offset->cookie) + 1 == acknowledged;
}

#define SEQUENCE_WORD 1
#define ACKNOWLEDGEMENT_WORD 2

/*
 * What the client's packet is to the backend; afterwards, `packet` tells that as well. The flow's
 * `flags` are as they were read. Returns TG_COUNTER_COUNT, or why it is dropped. This and the next
 * are global functions: verified once.
 */
__noinline int proxy_request(struct xdp_md *ctx, struct packet *packet, __u32 index, __u32 flags)
{
	struct tg_offset *offset = bpf_map_lookup_elem(&offsets, &index);
	struct tg_flow *entry = flow_entry(index);
	struct segment segment = {};
	int answered = flags & TG_FLOW_ANSWERED;

	if (!packet || !offset || !entry)
		return TG_COUNTER_drop_no_flow;
	if (!answered && (packet->tcp_flags & TCP_RST)) {
		segment.seq = packet->tcp_seq;
		segment.flags = TCP_RST;
		return proxy_write(ctx, packet, &segment);
	}
	if (!answered || (is_first_syn(packet) && !(flags & TG_FLOW_CONFIRMED))) {
		segment.seq = READ_ONCE(entry->client_seq) - 1;
		segment.mss = cookie_mss(packet, READ_ONCE(offset->cookie) >> COOKIE_MSS_SHIFT &
							 COOKIE_MSS_MASK);
		segment.window = window_of(ctx, packet);
		segment.flags = TCP_SYN;
		packet->tcp_flags = TCP_SYN;
		return proxy_write(ctx, packet, &segment);
	}
	if (packet->tcp_flags & TCP_ACK) {
		__u32 change = -READ_ONCE(offset->sequence);

		packet->tcp_ack += change;
		proxy_move_sequence(ctx, packet, ACKNOWLEDGEMENT_WORD, change);
	}
	return TG_COUNTER_COUNT;
}

/* Resets a client that returned its cookie and gets no flow: it believes in a connection. */
__noinline int proxy_decline(struct xdp_md *ctx, struct packet *packet, __u32 reason)
{
	count(reason);
	if (!packet)
		return XDP_DROP;
	packet->tcp_flags = TCP_ACK; /* what it was */
	return reset(ctx, packet);
}

/* One byte that was there before: makes the client say where it stands, and gives the window. */
static __always_inline enum tg_counter proxy_probe(struct xdp_md *ctx, const struct packet *packet,
						   __u32 cookie, __u32 ack, __be16 window)
{
	const struct segment segment = {
		.seq = cookie,
		.ack = ack,
		.window = window,
		.flags = TCP_ACK,
		.payload = 1,
	};

	return proxy_write(ctx, packet, &segment);
}

/* What the backend says before it has answered our SYN with a SYN-ACK. */
static __always_inline enum tg_counter proxy_refusal(struct xdp_md *ctx, struct packet *packet,
						     __u32 cookie, __u32 client_next)
{
	struct segment segment = {
		.seq = cookie + 1,
		.ack = client_next,
		.flags = TCP_RST | TCP_ACK,
	};

	if (packet->tcp_flags & TCP_RST) {
		/* The client could not tell a forged one, so this is for us to do. */
		if (!(packet->tcp_flags & TCP_ACK) || packet->tcp_ack != client_next)
			return TG_COUNTER_drop_handshake;
		return proxy_write(ctx, packet, &segment);
	}
	if (!(packet->tcp_flags & TCP_ACK))
		return TG_COUNTER_drop_handshake;
	/*
	 * It still holds an earlier connection from that NAT port. We count it as refused and let the
	 * client show its cookie again: a closed flow makes place for one from another port.
	 */
	packet->tcp_flags = TCP_RST | TCP_ACK;
	packet->tcp_ack = client_next;
	return proxy_probe(ctx, packet, cookie, client_next, 0);
}

/*
 * What the backend's packet is to the client, in the frame; `packet` goes on telling what the
 * backend said. Before flow_follow(), as that makes the offset valid.
 */
__noinline int proxy_answer(struct xdp_md *ctx, struct packet *packet, __u32 index, __u32 flags)
{
	struct tg_offset *offset = bpf_map_lookup_elem(&offsets, &index);
	struct tg_flow *entry = flow_entry(index);
	__u32 cookie, client_next, change;

	if (!packet || !offset || !entry)
		return TG_COUNTER_drop_no_flow;
	cookie = READ_ONCE(offset->cookie);
	client_next = READ_ONCE(entry->client_seq);
	if ((packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK)) {
		change = cookie - packet->tcp_seq;
		if (flags & TG_FLOW_CONFIRMED ? change != READ_ONCE(offset->sequence) :
						packet->tcp_ack != client_next)
			return TG_COUNTER_drop_handshake;
		WRITE_ONCE(offset->sequence, change);
		return proxy_probe(ctx, packet, cookie, packet->tcp_ack, window_of(ctx, packet));
	}
	if (!(flags & TG_FLOW_ANSWERED))
		return proxy_refusal(ctx, packet, cookie, client_next);
	proxy_move_sequence(ctx, packet, SEQUENCE_WORD, READ_ONCE(offset->sequence));
	return TG_COUNTER_COUNT;
}

#endif
