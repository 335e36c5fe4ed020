/* What a packet does to its flow's state: TCP connections, and UDP that is answered or not. */
#ifndef TIDEGATE_TCP_H
#define TIDEGATE_TCP_H

#include "flow/flow.h"
#include "flow/flow_claim.h"

/*
 * The handshake's last segment acknowledges the SYN-ACK, and with TCP Fast Open some data behind
 * it.
 */
#define HANDSHAKE_ACK_WINDOW 65535
/*
 * Where a sequence number may be, seen from the one noted last: behind by what is in flight, ahead
 * by what was not noted yet. Of blindly forged segments one in some thousand is within.
 */
#define SEQUENCE_BEHIND (1u << 20)
#define SEQUENCE_AHEAD (1u << 18)
/* Further ahead than any window: not this connection's. */
#define SEQUENCE_JUMP (1u << 30)

enum direction { FROM_CLIENT, FROM_BACKEND };

static __always_inline int is_first_syn(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline int sequence_is_near(__u32 sequence, __u32 noted)
{
	return sequence - noted + SEQUENCE_BEHIND <= SEQUENCE_BEHIND + SEQUENCE_AHEAD;
}

/*
 * Whether a RST is the connection's own (RFC 5961, section 3, as far as one can know who keeps no
 * window). It is forwarded anyway: its receiver knows better.
 */
static __always_inline int reset_is_plausible(const struct packet *packet, enum direction direction,
					      __u8 flags, const struct tg_flow *entry)
{
	if (direction == FROM_CLIENT)
		return sequence_is_near(packet->tcp_seq, READ_ONCE(entry->client_seq));
	if (!(flags & TG_FLOW_ANSWERED)) /* refuses the SYN: it has no sequence number yet */
		return packet->tcp_ack - READ_ONCE(entry->client_seq) <= HANDSHAKE_ACK_WINDOW;
	return sequence_is_near(packet->tcp_seq, READ_ONCE(entry->backend_seq));
}

/* Notes how far a side has come: in steps, so that a bulk transfer does not write each packet. */
static __always_inline void sequence_note(const struct packet *packet, enum direction direction,
					  struct tg_flow *entry, int touched)
{
	__u32 *noted = direction == FROM_CLIENT ? &entry->client_seq : &entry->backend_seq;
	__u32 next = packet->tcp_seq + packet->tcp_payload;
	__u32 ahead = next - READ_ONCE(*noted);

	if (ahead - 1 < SEQUENCE_JUMP && (touched || ahead >= TG_SEQUENCE_STEP))
		WRITE_ONCE(*noted, next);
}

static __always_inline __u8 tcp_state(__u8 flags)
{
	if (flags & (TG_FLOW_RST_CLIENT | TG_FLOW_RST_BACKEND))
		return TG_FLOW_CLOSING;
	if ((flags & TG_FLOW_FIN_CLIENT) && (flags & TG_FLOW_FIN_BACKEND))
		return flags & TG_FLOW_BACKEND_FIRST ? TG_FLOW_TIME_WAIT : TG_FLOW_CLOSING;
	return flags & TG_FLOW_CONFIRMED ? TG_FLOW_ESTABLISHED : TG_FLOW_HALF_OPEN;
}

/*
 * The connection's flags after this packet. Confirmed is who acknowledged the backend's SYN-ACK: a
 * forged source never saw it. A RST only shortens the idle time, and is forgotten when the side
 * that is said to have sent it goes on talking: a forged one ends nothing that is in use.
 */
static __always_inline __u8 tcp_flags_after(const struct packet *packet, enum direction direction,
					    __u8 flags, struct tg_flow *entry, int touched)
{
	int from_client = direction == FROM_CLIENT;
	__u8 tcp = packet->tcp_flags;

	if (tcp & TCP_RST) {
		if (!reset_is_plausible(packet, direction, flags, entry))
			return flags;
		return flags | (from_client ? TG_FLOW_RST_CLIENT : TG_FLOW_RST_BACKEND);
	}
	if (tcp & TCP_SYN) {
		/* It tries again, by another number perhaps; after a cookie that one is settled. */
		if (from_client && is_first_syn(packet) &&
		    !(flags & (TG_FLOW_CONFIRMED | TG_FLOW_PROXIED)))
			WRITE_ONCE(entry->client_seq, packet->tcp_seq + 1);
		if (from_client || !(tcp & TCP_ACK) || (flags & TG_FLOW_CONFIRMED))
			return flags;
		WRITE_ONCE(entry->backend_seq, packet->tcp_seq + 1);
		return flags | TG_FLOW_ANSWERED;
	}
	flags &= from_client ? ~TG_FLOW_RST_CLIENT : ~TG_FLOW_RST_BACKEND;
	if ((tcp & TCP_FIN) && !from_client && !(flags & TG_FLOW_FIN_CLIENT))
		flags |= TG_FLOW_BACKEND_FIRST;
	if (tcp & TCP_FIN)
		flags |= from_client ? TG_FLOW_FIN_CLIENT : TG_FLOW_FIN_BACKEND;
	if (flags & TG_FLOW_CONFIRMED) {
		sequence_note(packet, direction, entry, touched);
		return flags;
	}
	if (from_client && (tcp & TCP_ACK) && (flags & TG_FLOW_ANSWERED) &&
	    packet->tcp_ack - READ_ONCE(entry->backend_seq) <= HANDSHAKE_ACK_WINDOW) {
		/* Whatever others said in its name before: now it is known where it is. */
		WRITE_ONCE(entry->client_seq, packet->tcp_seq + packet->tcp_payload);
		flags |= TG_FLOW_CONFIRMED;
	}
	return flags;
}

/* UDP: a stream is what the client goes on with after an answer. */
static __always_inline union tg_flow_word udp_word_after(union tg_flow_word word,
							 enum direction direction)
{
	if (direction == FROM_BACKEND)
		word.flags |= TG_FLOW_ANSWERED;
	else if (word.flags & TG_FLOW_ANSWERED)
		word.state = TG_FLOW_UDP_STREAM;
	return word;
}

/*
 * Moves the flow's state and its clock. When the word changed meanwhile, the next packet does it. A
 * client alone does not keep one-way UDP alive: a backend that is gone would hold it for ever.
 */
static __always_inline void flow_follow(struct tg_flow *entry, const struct flow *flow,
					const struct packet *packet, enum direction direction,
					__u32 now_s)
{
	union tg_flow_word next = flow->word;
	struct tg_backend *record;
	__u32 backend;
	int touched;

	if (packet->protocol == IPPROTO_TCP) {
		touched = flow_touch(entry, flow, now_s);
		next.flags = tcp_flags_after(packet, direction, next.flags, entry, touched);
		next.state = tcp_state(next.flags);
	} else {
		next = udp_word_after(next, direction);
		if (direction == FROM_BACKEND || next.state == TG_FLOW_UDP_STREAM)
			flow_touch(entry, flow, now_s);
	}
	if (next.raw == flow->word.raw || !flow_exchange(entry, flow->word, next))
		return;
	TRACE(followed, flow->word.raw, next.raw);
	if (flow_is_over(next) == flow_is_over(flow->word))
		return;
	backend = flow->backend;
	record = bpf_map_lookup_elem(&backends, &backend);
	if (record)
		backend_flows_add(record, backend, flow_is_over(next) ? -1 : 1);
}

#endif
