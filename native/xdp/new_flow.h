/*
 * Opening a flow: choose a backend, claim an entry and a NAT port, and only then let others see it.
 */
#ifndef TIDEGATE_NEW_FLOW_H
#define TIDEGATE_NEW_FLOW_H

#include "acl.h"
#include "backend.h"
#include "counters.h"
#include "flow.h"
#include "tcp.h"

/*
 * What is known of a packet to a VIP: its flow, old or new, that flow's backend, and where and when
 * it came from.
 */
struct request {
	struct flow flow;
	struct backend backend;
	struct client_hop client_hop;
	__u64 now_ns;
};

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

/* Claims the tuple's old entry, or else a free or expired one of its set. NULL: see `obstacle`. */
static __always_inline struct tg_flow *claim_entry(struct flow *flow, __u32 now_s, union tg_flow_word claimed,
						   enum tg_counter *obstacle)
{
	struct tg_flow *entry;

	*obstacle = TG_COUNTER_drop_contended;
	if (flow->word.raw) {
		entry = flow_entry(flow->index);
		if (!entry || !flow_exchange(entry, flow->word, claimed))
			return NULL;
		TRACE(claimed, flow->index, flow->word.raw);
		flow_let_go(flow->index, flow->word.raw);
		return entry;
	}
	entry = flow_claim_free(&flow->key, claimed, &flow->index);
	if (!entry && (flow_claim_expired(flow->key.set, now_s, claimed.raw, &flow->index) ||
		       flow_displace(flow->key.set, now_s, claimed.raw, &flow->index)))
		entry = flow_entry(flow->index);
	if (!entry) {
		*obstacle = TG_COUNTER_drop_flow_table_full;
		return NULL;
	}
	flow_hint_write(flow->index, flow_hint(flow->key.hash_bits));
	full_barrier();
	if (!flow_has_twin(&flow->key, flow->index))
		return entry;
	flow_free(entry, flow->index, claimed);
	return NULL;
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
	struct tg_flow *entry = claim_entry(flow, now_s, claimed, &obstacle);
	__u32 port;

	if (!entry)
		return obstacle;
	port = flow_take_port(flow->index, record, packet->protocol, random);
	if (!port) {
		flow_free(entry, flow->index, claimed);
		return TG_COUNTER_drop_nat_ports;
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
	flow->word.state = packet->protocol == IPPROTO_TCP ? TG_FLOW_HALF_OPEN : TG_FLOW_UDP;
	flow_exchange(entry, claimed, flow->word);
	backend_flows_add(record, backend->index, 1);
	return TG_COUNTER_COUNT;
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
	if (!acl_admits(packet, vip))
		return TG_COUNTER_drop_source_range;
	if (!backend_choose(packet, vip, request->now_ns, &request->backend))
		return TG_COUNTER_drop_no_backend;
	obstacle = backend_obstacle(packet, &request->backend);
	if (obstacle == TG_COUNTER_COUNT)
		obstacle = create_flow(packet, cfg, request);
	if (obstacle != TG_COUNTER_COUNT)
		return obstacle;
	affinity_note(packet, vip, request->now_ns, &request->backend);
	count_new_flow(vip->server, request->backend.index);
	return TG_COUNTER_COUNT;
}

#endif
