/* What a packet does to its flow's state: TCP connections, and UDP that is answered or not. */
#ifndef TIDEGATE_TCP_H
#define TIDEGATE_TCP_H

#include "flow.h"

/*
 * The handshake's last segment acknowledges the SYN-ACK, and with TCP Fast Open some data behind
 * it.
 */
#define HANDSHAKE_ACK_WINDOW 65535

enum direction { FROM_CLIENT, FROM_BACKEND };

static __always_inline int is_first_syn(const struct packet *packet)
{
	return (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
}

static __always_inline __u8 tcp_state(__u16 flags)
{
	if (flags & (TG_FLOW_RST_CLIENT | TG_FLOW_RST_BACKEND))
		return TG_FLOW_CLOSING;
	if ((flags & TG_FLOW_FIN_CLIENT) && (flags & TG_FLOW_FIN_BACKEND))
		return TG_FLOW_CLOSING;
	return flags & TG_FLOW_CONFIRMED ? TG_FLOW_ESTABLISHED : TG_FLOW_HALF_OPEN;
}

/*
 * The connection's flags after this packet. Established is who acknowledged the backend's SYN-ACK:
 * a forged source never saw it. A RST only shortens the idle time, and is forgotten when the side
 * that is said to have sent it goes on talking: a forged one ends nothing that is in use.
 */
static __always_inline __u16 tcp_flags_after(const struct packet *packet, enum direction direction,
					     __u16 flags, struct tg_flow *entry)
{
	int from_client = direction == FROM_CLIENT;
	__u8 tcp = packet->tcp_flags;

	if (tcp & TCP_RST)
		return flags | (from_client ? TG_FLOW_RST_CLIENT : TG_FLOW_RST_BACKEND);
	if (tcp & TCP_SYN) {
		if (from_client || !(tcp & TCP_ACK) || (flags & TG_FLOW_CONFIRMED))
			return flags;
		WRITE_ONCE(entry->handshake_ack, packet->tcp_seq + 1);
		return flags | TG_FLOW_SYN_ACK;
	}
	flags &= from_client ? ~TG_FLOW_RST_CLIENT : ~TG_FLOW_RST_BACKEND;
	if (tcp & TCP_FIN)
		flags |= from_client ? TG_FLOW_FIN_CLIENT : TG_FLOW_FIN_BACKEND;
	if (from_client && (tcp & TCP_ACK) && (flags & TG_FLOW_SYN_ACK) &&
	    packet->tcp_ack - READ_ONCE(entry->handshake_ack) <= HANDSHAKE_ACK_WINDOW)
		flags |= TG_FLOW_CONFIRMED;
	return flags;
}

/* Moves the flow's state. When the word changed meanwhile, the next packet does it. */
static __always_inline void flow_follow(struct tg_flow *entry, const struct flow *flow,
					const struct packet *packet, enum direction direction)
{
	union tg_flow_word next = flow->word;

	if (packet->protocol == IPPROTO_TCP) {
		next.flags = tcp_flags_after(packet, direction, next.flags, entry);
		next.state = tcp_state(next.flags);
	} else if (direction == FROM_BACKEND) {
		next.state = TG_FLOW_UDP_STREAM;
	}
	if (next.raw != flow->word.raw)
		flow_exchange(entry, flow->word, next);
}

#endif
