/*
 * Opening a flow: choose a backend, claim an entry and a NAT port, and only then let others see it.
 */
#ifndef TIDEGATE_NEW_FLOW_H
#define TIDEGATE_NEW_FLOW_H

#include "base/counters.h"
#include "choice/acl.h"
#include "choice/backend.h"
#include "flow/flow.h"
#include "flow/flow_claim.h"
#include "flow/nat_port.h"
#include "flow/tcp.h"
#include "flow/way_back.h"
#include "guard/limits.h"
#include "guard/martian.h"

/* How long a handshake may take before it gives way to an unknown client's. */
#define HANDSHAKE_S 3
/* Another CPU's coarse clock may be a tick ahead. */
#define CLOCK_SLACK_S 1

/*
 * What is known of a packet to a VIP: its flow, old or new, that flow's backend, and where and when
 * it came from.
 */
struct request {
	struct flow flow;
	struct backend backend;
	struct client_hop client_hop;
	__u64 now_ns;
	__u32 proven; /* the client returned a cookie: see syn_cookie.h */
};

/* Who would get nothing may prove himself first: TG_COUNTER_cookie_sent. TCP has a way to. */
static __always_inline enum tg_counter cookie_or(const struct request *request, __u8 protocol,
						 enum tg_counter obstacle)
{
	return protocol == IPPROTO_TCP && !request->proven ? TG_COUNTER_cookie_sent : obstacle;
}

/* Unconfirmed flows give way when their last packet is no later than this. */
static __always_inline __u32 displace_before(const struct request *request, __u32 now_s)
{
	return request->proven ? now_s + CLOCK_SLACK_S : now_s - HANDSHAKE_S;
}

/* Why a packet cannot go to this backend, or TG_COUNTER_COUNT when it can. */
static __always_inline enum tg_counter backend_obstacle(const struct packet *packet,
							const struct backend *backend)
{
	TRACE(backend, backend->index, backend->record.flags);
	if (!(backend->record.flags & TG_BACKEND_REACHABLE))
		return TG_COUNTER_drop_no_neighbour;
	if (packet->ip_size > backend->record.mtu)
		return TG_COUNTER_drop_too_big;
	return TG_COUNTER_COUNT;
}

/*
 * Whether a client that comes again from the same port keeps its NAT port. The backend may hold the
 * last connection in TIME_WAIT, and takes a SYN there only when its timestamp goes on from the last
 * one's: so it does for the same port of a client, but each of its ports has a clock of its own. Our
 * own SYN, after a cookie, has no timestamp.
 */
static __always_inline int keeps_port(const struct request *request)
{
	const struct tg_backend *record = &request->backend.record;
	const struct flow *flow = &request->flow;

	return flow->word.raw && !request->proven && flow->backend == request->backend.index &&
	       (__u8)(flow->word.nat - record->nat_first) < record->nat_count;
}

/*
 * Claims the tuple's old entry, with its NAT port if that is kept, or else a free or expired one of
 * its set. NULL: see `obstacle`.
 */
static __always_inline struct tg_flow *claim_entry(struct request *request, __u32 now_s,
						   union tg_flow_word claimed,
						   enum tg_counter *obstacle)
{
	struct flow *flow = &request->flow;
	struct tg_flow *entry;

	if (flow->word.raw) {
		*obstacle = TG_COUNTER_drop_contended;
		entry = flow_entry(flow->index);
		if (!entry || !flow_exchange(entry, flow->word, claimed))
			return NULL;
		TRACE(claimed, flow->index, flow->word.raw);
		if (!keeps_port(request))
			flow_let_go(flow->index, flow->word.raw);
		else if (!flow_is_over(flow->word))
			backend_flows_add(&request->backend.record, request->backend.index, -1);
		return entry;
	}
	entry = flow_claim_free(&flow->key, claimed, &flow->index);
	if (!entry && flow_claim_expired(flow->key.set, now_s, claimed.raw, &flow->index))
		entry = flow_entry(flow->index);
	if (!entry) {
		int displaced = flow_displace(flow->key.set, displace_before(request, now_s),
					      claimed.raw, &flow->index);

		if (displaced == 1)
			entry = flow_entry(flow->index);
		*obstacle = TG_COUNTER_drop_flow_table_full;
		if (displaced == FLOW_TOO_YOUNG)
			*obstacle = cookie_or(request, claimed.proto, *obstacle);
	}
	if (!entry)
		return NULL;
	*obstacle = TG_COUNTER_drop_contended;
	flow_hint_write(flow->index, flow_hint(flow->key.hash_bits));
	full_barrier();
	if (!flow_has_twin(&flow->key, flow->index))
		return entry;
	flow_free(entry, flow->index, claimed);
	return NULL;
}

/* What must be known of a cookie's flow before anybody sees it. */
static __always_inline int note_cookie(const struct packet *packet, struct request *request)
{
	struct tg_offset *offset;
	__u32 index = request->flow.index;

	if (!request->proven)
		return 0;
	offset = bpf_map_lookup_elem(&offsets, &index);
	if (offset)
		offset->cookie = packet->tcp_ack - 1;
	return TG_FLOW_PROXIED;
}

static __always_inline enum tg_counter create_flow(const struct packet *packet,
						   const struct tg_config *cfg,
						   struct request *request)
{
	__u32 random = bpf_get_prandom_u32(), now_s = request->now_ns / NANOSECONDS;
	const struct backend *backend = &request->backend;
	const struct tg_backend *record = &backend->record;
	struct flow *flow = &request->flow;
	union tg_flow_word claimed = {
		.tag = flow->key.hash_bits << TG_FLOW_TAG_RANDOM_BITS |
		       (random & ((1 << TG_FLOW_TAG_RANDOM_BITS) - 1)),
		.proto = packet->protocol,
	};
	enum tg_counter obstacle;
	__u64 seeds = (__u64)(request->proven ? random : flow->key.port_hash) << 32 |
		      random * (__u32)HASH_MIX;
	struct tg_flow *entry;
	__u32 port;

	if (claimed.tag == flow->word.tag) /* nobody may take it for what it replaces */
		claimed.tag ^= 1;
	entry = claim_entry(request, now_s, claimed, &obstacle);
	if (!entry)
		return obstacle;
	if (keeps_port(request))
		port = flow->word.nat << 16 | bpf_ntohs(flow->nat_port);
	else
		port = flow_take_port(flow->index, record, packet->protocol, seeds,
				      displace_before(request, now_s));
	if (port <= NAT_PORT_HELD) {
		flow_free(entry, flow->index, claimed);
		return port ? cookie_or(request, packet->protocol, TG_COUNTER_drop_nat_ports) :
			      TG_COUNTER_drop_nat_ports;
	}
	address_to_bytes(flow->key.client, entry->client);
	entry->client_port = flow->key.client_port;
	entry->nat_port = bpf_htons(port);
	entry->backend = backend->index;
	entry->last_s = now_s;
	entry->client_seq = packet->tcp_seq + 1;
	entry->backend_seq = 0;
	flow_learn_client(entry, request->client_hop);
	flow->backend = backend->index;
	flow->nat_port = entry->nat_port;
	flow->word = claimed;
	flow->word.nat = port >> 16;
	flow->word.flags = note_cookie(packet, request);
	flow->word.state = packet->protocol == IPPROTO_TCP ? TG_FLOW_HALF_OPEN : TG_FLOW_UDP;
	flow_exchange(entry, claimed, flow->word);
	backend_flows_add(record, backend->index, 1);
	return TG_COUNTER_COUNT;
}

/* Whether the limits of new flows admit this one, and counts it where they do. */
static __always_inline enum tg_counter limits_obstacle(const struct packet *packet,
						       const struct tg_config *cfg,
						       const struct tg_vip *vip,
						       const struct request *request)
{
	if (vip->client_new_flows_per_s &&
	    !client_limit_admits(cfg, packet, vip, request->now_ns, 0))
		return TG_COUNTER_drop_client_limit;
	if (!request->proven && !budget_take(cfg))
		return cookie_or(request, packet->protocol, TG_COUNTER_drop_over_budget);
	if (!vip_limit_take(vip, request->now_ns, request->proven))
		return cookie_or(request, packet->protocol, TG_COUNTER_drop_vip_limit);
	if (vip->client_new_flows_per_s)
		client_limit_admits(cfg, packet, vip, request->now_ns, 1);
	return TG_COUNTER_COUNT;
}

/* Whether nothing but room speaks against a flow for this packet. */
static __always_inline enum tg_counter admission_obstacle(const struct packet *packet,
							  const struct tg_config *cfg,
							  const struct tg_vip *vip,
							  const struct request *request)
{
	enum tg_counter obstacle = source_obstacle(packet);

	if (obstacle != TG_COUNTER_COUNT)
		return obstacle;
	if (packet->src_port == 0)
		return TG_COUNTER_drop_martian;
	if (!acl_admits(packet, vip))
		return TG_COUNTER_drop_source_range;
	if (vip->ring_size == 0)
		return TG_COUNTER_drop_no_backend;
	obstacle = limits_obstacle(packet, cfg, vip, request);
	if (obstacle != TG_COUNTER_COUNT)
		return obstacle;
	return source_is_stolen(packet) ? TG_COUNTER_drop_stolen_source : TG_COUNTER_COUNT;
}

/*
 * Gives the packet a flow; TG_COUNTER_COUNT, or the reason why it gets none. A global function, so
 * that the verifier looks at it once by itself.
 */
__noinline int open_flow(const struct packet *packet, const struct tg_vip *vip,
			 struct request *request)
{
	struct tg_config *cfg = config_get();
	enum tg_counter obstacle;

	if (!packet || !vip || !request || !cfg)
		return TG_COUNTER_drop_no_backend;
	if (packet->protocol == IPPROTO_TCP && !is_first_syn(packet))
		return request->flow.word.raw ? TG_COUNTER_drop_no_backend
					      : TG_COUNTER_drop_no_flow;
	obstacle = admission_obstacle(packet, cfg, vip, request);
	if (obstacle != TG_COUNTER_COUNT)
		return obstacle;
	/* The VIP's record may be another's from one read to the next: the backend must be ours. */
	if (!backend_choose(packet, vip, request->now_ns, &request->backend) ||
	    request->backend.record.server != request->flow.key.server)
		return TG_COUNTER_drop_no_backend;
	obstacle = backend_obstacle(packet, &request->backend);
	if (obstacle == TG_COUNTER_COUNT)
		obstacle = create_flow(packet, cfg, request);
	if (obstacle != TG_COUNTER_COUNT)
		return obstacle;
	if (request->proven)
		count(TG_COUNTER_cookie_returned);
	if (vip->affinity_s)
		affinity_note(packet, vip, request->now_ns, &request->backend);
	count_new_flow(request->flow.key.server, request->backend.index);
	return TG_COUNTER_COUNT;
}

#endif
