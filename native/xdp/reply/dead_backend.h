/* TCP flows of a backend whose health check failed, where the Service wants them reset. */
#ifndef TIDEGATE_DEAD_BACKEND_H
#define TIDEGATE_DEAD_BACKEND_H

#include "flow/new_flow.h"
#include "reply/reject.h"

static __always_inline int must_reset(const struct packet *packet, const struct tg_vip *vip,
				      const struct backend *backend)
{
	return (backend->record.flags & TG_BACKEND_DEAD) && (vip->flags & TG_VIP_RESET_DEAD) &&
	       packet->protocol == IPPROTO_TCP && !(packet->tcp_flags & TCP_RST);
}

/*
 * Resets the client's side at its next packet: its acknowledgment is the sequence number that it
 * takes a reset with (RFC 5961, 3.2). The flow closes, so that the client's next SYN finds another
 * backend. When no reset may be sent just now, nothing changes but that the packet is lost.
 */
__noinline int reset_flow(struct xdp_md *ctx, const struct packet *packet, struct request *request)
{
	union tg_flow_word next;
	struct tg_flow *entry;
	int verdict;

	if (!packet || !request)
		return XDP_DROP;
	verdict = reject(ctx, packet, TG_COUNTER_drop_backend_dead, 0);
	entry = flow_entry(request->flow.index);
	if (verdict != XDP_TX || !entry)
		return verdict;
	next = request->flow.word;
	next.flags |= TG_FLOW_RST_BACKEND;
	next.state = TG_FLOW_CLOSING;
	if (flow_exchange(entry, request->flow.word, next) &&
	    !flow_is_over(request->flow.word))
		backend_flows_add(&request->backend.record, request->flow.backend, -1);
	return verdict;
}

#endif
