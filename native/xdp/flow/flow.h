/*
 * The flow table: find, claim, publish. Several CPUs and the sweeper work on it without locks.
 *
 * An entry's first eight bytes (union tg_flow_word) are changed only by compare-and-exchange, which
 * is a full barrier:
 *
 *   free --claim--> claimed --publish--> live --claim--> claimed (reused, or replaced in place) ...
 *                      \--give up--> free     \--the sweeper claims--> swept --> free
 *
 * - Only the owner of a claim writes the entry's identity (client, server, backend, NAT port). So
 *   two CPUs never fill one entry, and nobody sees it half-filled: a claimed entry is skipped.
 * - A reader copies what it needs and then looks at the tag again. The tag has random bits of its
 *   own per creation, so an entry that was reused meanwhile, even by the same tuple, is noticed.
 * - A set's hints, one byte an entry, save looking at entries that cannot be meant: 0 for a free
 *   one, else a byte of the hash. Only the owner of a claim writes an entry's hint: right after the
 *   claim, and 0 before it frees the entry. So a live flow is always hinted at, and everything else
 *   a hint says is checked at the entry.
 * - The same tuple on two CPUs: each claims an entry, writes its hint, and only then (a full barrier
 *   between) looks for another entry with its tag's hash bits, claimed or live. One of the two at
 *   least sees the other's hint and gives up (both may). Never two flows for one tuple.
 * - A claimed live entry is dead (unless a port's thief finds that it has another port, and puts the
 *   very word back): whoever claims an expired one has judged it by a word that had not changed
 *   until the claim. A packet that found the flow in the nanoseconds
 *   before is still forwarded, and its late writes touch only `last_s`, the sequence numbers and
 *   the learned MACs, which the successor's next packet sets right. State changes go through the
 *   word and fail if it changed.
 * - A reverse slot is taken by compare-and-exchange from 0 and freed by compare-and-exchange from
 *   "this entry", both only by the entry's owner. So no two flows share a slot, a freed slot is
 *   never freed again for somebody else, and a slot points to a live flow that points back, but for
 *   the time between claim and publish, when readers skip the entry.
 */
#ifndef TIDEGATE_FLOW_H
#define TIDEGATE_FLOW_H

#include "base/atomic.h"
#include "base/maps.h"
#include "flow/flow_hints.h"
#include "hash.h"
#include "packet/packet.h"
#include "reverse_slot.h"

#define FLOW_HASH_SHIFT (64 - 32 + TG_FLOW_TAG_RANDOM_BITS)

/* Who a flow is, seen from the client, and where it must be. */
struct flow_key {
	struct address client;
	__be16 client_port;
	__u32 server;
	__u32 set;       /* index of the set's first entry */
	__u32 home;      /* index of the entry that is asked first, and taken when free */
	__u32 hash_bits; /* upper bits of the tag */
	__u32 port_hash; /* where its NAT port is looked for first */
};

/* A live flow as it was read; `word` is 0 when there is none. */
struct flow {
	struct flow_key key;
	union tg_flow_word word;
	__u32 index;
	__u32 server;
	__u32 backend;
	__u32 last_s;
	__be16 nat_port;
};

static __always_inline struct tg_flow *flow_entry(__u32 index)
{
	return bpf_map_lookup_elem(&flows, &index);
}

static __always_inline __u64 *flow_word(struct tg_flow *entry)
{
	return (__u64 *)entry;
}

static __always_inline int flow_exchange(struct tg_flow *entry, union tg_flow_word from,
					 union tg_flow_word to)
{
	return __sync_val_compare_and_swap(flow_word(entry), from.raw, to.raw) == from.raw;
}

static __always_inline void flow_key_init(struct flow_key *key, const struct tg_config *cfg,
					  const struct packet *packet, __u32 server)
{
	struct hash hash = hash_start(cfg->hash_seed);
	__u64 sum;

	hash_add_address(&hash, packet->src);
	hash_add(&hash, packet->src_port);
	hash_add(&hash, server);
	sum = hash_finish(hash);
	key->client = packet->src;
	key->client_port = packet->src_port;
	key->server = server;
	key->home = (__u32)sum & cfg->flow_mask;
	key->set = key->home & ~(TG_FLOW_WAYS - 1);
	key->hash_bits = sum >> FLOW_HASH_SHIFT;
	key->port_hash = sum >> 16;
	if (key->hash_bits == 0) /* keeps tags above TG_FLOW_TAG_MIN */
		key->hash_bits = 1;
}

/* A flow's server is its backend's: an index keeps its server while flows hold it. */
static __always_inline __u32 flow_server(__u32 backend)
{
	struct tg_backend *record = bpf_map_lookup_elem(&backends, &backend);

	return record ? record->server : 0;
}

static __always_inline int flow_is(const struct tg_flow *entry, const struct flow_key *key)
{
	return entry->client_port == key->client_port &&
	       address_equal(address_from_bytes(entry->client), key->client) &&
	       flow_server(READ_ONCE(entry->backend)) == key->server;
}

/* Reads the entry; 0 when it is not the key's flow. */
static __always_inline struct tg_flow *flow_read(struct flow *flow, __u32 index)
{
	const struct flow_key *key = &flow->key;
	struct tg_flow *entry = flow_entry(index);
	union tg_flow_word word;

	if (!entry)
		return 0;
	word.raw = READ_ONCE(*flow_word(entry));
	if (word.tag >> TG_FLOW_TAG_RANDOM_BITS != key->hash_bits || word.state == TG_FLOW_CLAIMED)
		return 0;
	load_barrier();
	if (!flow_is(entry, key))
		return 0;
	flow->server = key->server;
	flow->backend = READ_ONCE(entry->backend);
	flow->nat_port = READ_ONCE(entry->nat_port);
	flow->last_s = READ_ONCE(entry->last_s);
	load_barrier();
	if (READ_ONCE(entry->tag) != word.tag)
		return 0;
	flow->word = word;
	flow->index = index;
	TRACE(flow_found, flow->index, word.raw, flow->backend, flow->nat_port, flow->last_s);
	return entry;
}

/*
 * Finds the key's flow in its set: at its home, where most are, else where the hints say. Of a
 * packet that is `likely_new`, the hints know without a look at the table, which is far larger. A
 * server stands for address, port and protocol.
 */
static __always_inline struct tg_flow *flow_find(struct flow *flow, int likely_new)
{
	struct tg_flow *entry = NULL;
	__u64 *hints;
	__u64 matches;

	if (!likely_new)
		entry = flow_read(flow, flow->key.home);
	if (entry)
		return entry;
	hints = flow_hints_of(flow->key.set);
	if (!hints)
		return 0;
	matches = hints_matching(READ_ONCE(*hints), flow_hint(flow->key.hash_bits));
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_FLOW_WAYS && matches; i++, matches &= matches - 1) {
		entry = flow_read(flow, flow->key.set + lowest_way(matches));
		if (entry)
			return entry;
	}
	return 0;
}

/*
 * Finds the flow that a packet from a backend belongs to: the slot says which, the flow and its
 * backend must agree in every part of the tuple.
 */
static __always_inline struct tg_flow *flow_find_reverse(const struct packet *packet,
							 const struct tg_config *cfg,
							 struct flow *flow)
{
	__u32 base = reverse_base(cfg->hash_seed, packet->src, packet->src_port, packet->protocol,
				  packet->dst);
	__u32 slot = reverse_slot(base, bpf_ntohs(packet->dst_port), cfg->reverse_mask);
	__u32 *owner = bpf_map_lookup_elem(&reverse, &slot);
	struct tg_nat_address *nat;
	struct tg_backend *backend;
	struct tg_flow *entry;
	__u32 nat_index;

	if (!owner)
		return 0;
	flow->index = READ_ONCE(*owner) - 1; /* of a free slot: beyond any table */
	entry = flow_entry(flow->index);
	if (!entry)
		return 0;
	flow->word.raw = READ_ONCE(*flow_word(entry));
	if (flow->word.tag < TG_FLOW_TAG_MIN || flow->word.state == TG_FLOW_CLAIMED)
		return 0;
	load_barrier();
	flow->backend = READ_ONCE(entry->backend);
	flow->nat_port = READ_ONCE(entry->nat_port);
	flow->last_s = READ_ONCE(entry->last_s);
	nat_index = flow->word.nat;
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	nat = bpf_map_lookup_elem(&nat_addresses, &nat_index);
	if (!backend || !nat || flow->nat_port != packet->dst_port ||
	    flow->word.proto != packet->protocol || backend->port != packet->src_port ||
	    !address_equal(address_from_bytes(backend->addr), packet->src) ||
	    !address_equal(address_from_bytes(nat->addr), packet->dst))
		return 0;
	flow->server = backend->server;
	TRACE(answer, flow->index, flow->word.raw, flow->backend, flow->nat_port, flow->last_s);
	return entry;
}

/*
 * Notes the time, at most once a second, as the cache line is shared among CPUs. Returns whether it
 * did.
 */
static __always_inline int flow_touch(struct tg_flow *entry, const struct flow *flow, __u32 now_s)
{
	if (flow->last_s == now_s)
		return 0;
	WRITE_ONCE(entry->last_s, now_s);
	return 1;
}

#endif
