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
 * - The same tuple on two CPUs: both claim an entry, and each then looks at the whole set for
 *   another entry with its tag's hash bits, claimed or live. Claims are totally ordered, so the
 *   later claimer sees the earlier's and gives up (both may). Never two flows for one tuple.
 * - A claimed live entry is dead, there is no way back: whoever claims an expired one has judged it
 *   by a word that had not changed until the claim. A packet that found the flow in the nanoseconds
 *   before is still forwarded, and its late writes touch only `last_s`, `handshake_ack` and the
 *   learned MACs, which the successor's next packet sets right. State changes go through the word
 *   and fail if it changed.
 * - A reverse slot is taken by compare-and-exchange from 0 and freed by compare-and-exchange from
 *   "this entry", both only by the entry's owner. So no two flows share a slot, a freed slot is
 *   never freed again for somebody else, and a slot points to a live flow that points back, but for
 *   the time between claim and publish, when readers skip the entry.
 */
#ifndef TIDEGATE_FLOW_H
#define TIDEGATE_FLOW_H

#include <bpf/bpf_core_read.h>

#include "hash.h"
#include "maps.h"
#include "packet.h"

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define FLOW_HASH_SHIFT (64 - 32 + TG_FLOW_TAG_RANDOM_BITS)
#define NANOSECONDS 1000000000ull

/* Only x86 has this; there, loads are not reordered with loads. */
struct pt_regs___x86 {
	unsigned long orig_ax;
};

/* Orders the loads before it against those after it. Costs nothing on x86. */
static __always_inline void load_barrier(void)
{
	asm volatile("" ::: "memory");
	if (!bpf_core_field_exists(struct pt_regs___x86, orig_ax)) {
		__u64 scratch = 0;

		__sync_fetch_and_add(&scratch, 1); /* a fully ordered atomic: BPF has no fence */
		asm volatile("" ::"r"(scratch) : "memory");
	}
}

/* Who a flow is, seen from the client, and where it must be. */
struct flow_key {
	struct address client;
	__be16 client_port;
	__u32 server;
	__u32 set;       /* index of the set's first entry */
	__u32 hash_bits; /* upper bits of the tag */
};

/* A live flow as it was read; `word` is 0 when there is none. */
struct flow {
	struct flow_key key;
	union tg_flow_word word;
	__u32 index;
	__u32 server;
	__u32 backend;
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
	key->set = (__u32)sum & cfg->flow_mask & ~(TG_FLOW_WAYS - 1);
	key->hash_bits = sum >> FLOW_HASH_SHIFT;
	if (key->hash_bits == 0) /* keeps tags above TG_FLOW_TAG_MIN */
		key->hash_bits = 1;
}

static __always_inline int flow_is(const struct tg_flow *entry, const struct flow_key *key)
{
	return entry->server == key->server && entry->client_port == key->client_port &&
	       address_equal(address_from_bytes(entry->client), key->client);
}

/* Finds the key's flow in its set. A server stands for address, port and protocol. */
static __always_inline struct tg_flow *flow_find(struct flow *flow)
{
	const struct flow_key *key = &flow->key;

#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < TG_FLOW_WAYS; way++) {
		struct tg_flow *entry = flow_entry(key->set + way);
		union tg_flow_word word;

		if (!entry)
			return 0;
		word.raw = READ_ONCE(*flow_word(entry));
		if (word.tag >> TG_FLOW_TAG_RANDOM_BITS != key->hash_bits ||
		    word.state == TG_FLOW_CLAIMED)
			continue;
		load_barrier();
		if (!flow_is(entry, key))
			continue;
		flow->server = key->server;
		flow->backend = READ_ONCE(entry->backend);
		flow->nat_port = READ_ONCE(entry->nat_port);
		load_barrier();
		if (READ_ONCE(entry->tag) != word.tag)
			continue;
		flow->word = word;
		flow->index = key->set + way;
		return entry;
	}
	return 0;
}

/*
 * Idle for longer than its state allows. Read `word` before `last_s`: a live word's time is never
 * older.
 */
static __always_inline int flow_expired(const struct tg_flow *entry, union tg_flow_word word,
					const struct tg_config *cfg, __u32 now_s)
{
	__u32 timeout;

	switch (word.state) {
	case TG_FLOW_HALF_OPEN:
		timeout = cfg->tcp_half_open_s;
		break;
	case TG_FLOW_ESTABLISHED:
		timeout = cfg->tcp_established_s;
		break;
	case TG_FLOW_CLOSING:
		timeout = cfg->tcp_closing_s;
		break;
	case TG_FLOW_UDP:
		timeout = cfg->udp_s;
		break;
	case TG_FLOW_UDP_STREAM:
		timeout = cfg->udp_stream_s;
		break;
	default:
		return 0;
	}
	load_barrier();
	/* Another CPU's coarse clock may be a tick ahead: a negative age is not expired. */
	return (__s32)(now_s - READ_ONCE(entry->last_s)) > (__s32)timeout;
}

/* Only for the owner of a claimed entry. */
static __always_inline void flow_free_port(const struct tg_flow *entry, __u32 index)
{
	__u32 slot = entry->reverse_slot;
	__u32 *owner = bpf_map_lookup_elem(&reverse, &slot);

	if (owner)
		__sync_val_compare_and_swap(owner, index + 1, 0);
}

/* Claims a free entry of the set, else an expired one. 0 when all are live. */
static __always_inline struct tg_flow *flow_claim(const struct flow_key *key,
						  const struct tg_config *cfg, __u32 now_s,
						  union tg_flow_word claimed, __u32 *index)
{
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < TG_FLOW_WAYS; way++) {
		struct tg_flow *entry = flow_entry(key->set + way);
		union tg_flow_word free = { .raw = 0 };

		if (!entry)
			return 0;
		*index = key->set + way;
		if (READ_ONCE(entry->tag) == TG_FLOW_FREE && flow_exchange(entry, free, claimed))
			return entry;
	}
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < TG_FLOW_WAYS; way++) {
		struct tg_flow *entry = flow_entry(key->set + way);
		union tg_flow_word word;

		if (!entry)
			return 0;
		*index = key->set + way;
		word.raw = READ_ONCE(*flow_word(entry));
		if (flow_expired(entry, word, cfg, now_s) && flow_exchange(entry, word, claimed)) {
			flow_free_port(entry, *index);
			return entry;
		}
	}
	return 0;
}

/* Whether another entry of the set is, or may be about to become, the same flow. */
static __always_inline int flow_has_twin(const struct flow_key *key, __u32 index)
{
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < TG_FLOW_WAYS; way++) {
		struct tg_flow *entry = flow_entry(key->set + way);
		union tg_flow_word word;

		if (!entry)
			return 0;
		if (key->set + way == index)
			continue;
		word.raw = READ_ONCE(*flow_word(entry));
		if (word.tag >> TG_FLOW_TAG_RANDOM_BITS != key->hash_bits)
			continue;
		load_barrier();
		if (word.state == TG_FLOW_CLAIMED || flow_is(entry, key))
			return 1;
	}
	return 0;
}

static __always_inline __u32 reverse_base(const struct tg_config *cfg, struct address backend,
					  __be16 port, __u8 protocol, struct address nat_addr)
{
	struct hash hash = hash_start(cfg->hash_seed);

	hash_add_address(&hash, backend);
	hash_add(&hash, (__u32)port << 16 | protocol);
	hash_add_address(&hash, nat_addr);
	return hash_finish(hash) >> 32;
}

/*
 * Takes a NAT port for a claimed entry: from a random place in the range on, in random strides, as
 * runs of taken ports would grow otherwise. 0 when none of the tries finds a free one.
 */
static __always_inline int flow_take_port(struct tg_flow *entry, __u32 index,
					  const struct tg_config *cfg, __u32 base, __u32 random)
{
	__u32 first = cfg->nat_port_first;
	__u32 range = cfg->nat_port_last - first + 1;
	__u32 offset = (__u64)random * range >> 32;
	__u32 stride = 1 + ((__u64)(random * (__u32)HASH_MIX) * (range - 1) >> 32);

#pragma clang loop unroll(disable)
	for (__u32 try = 0; try < TG_NAT_PORT_TRIES; try++) {
		__u32 slot = (base + first + offset) & cfg->reverse_mask;
		__u32 *owner = bpf_map_lookup_elem(&reverse, &slot);

		if (!owner)
			return 0;
		if (READ_ONCE(*owner) == 0 &&
		    __sync_val_compare_and_swap(owner, 0, index + 1) == 0) {
			entry->nat_port = bpf_htons(first + offset);
			entry->reverse_slot = slot;
			return 1;
		}
		offset += stride;
		if (offset >= range)
			offset -= range;
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
	__u32 base = reverse_base(cfg, packet->src, packet->src_port, packet->protocol,
				  packet->dst);
	__u32 slot = (base + bpf_ntohs(packet->dst_port)) & cfg->reverse_mask;
	__u32 *owner = bpf_map_lookup_elem(&reverse, &slot);
	struct tg_backend *backend;
	struct tg_flow *entry;

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
	flow->server = READ_ONCE(entry->server);
	flow->backend = READ_ONCE(entry->backend);
	flow->nat_port = READ_ONCE(entry->nat_port);
	backend = bpf_map_lookup_elem(&backends, &flow->backend);
	if (!backend || flow->nat_port != packet->dst_port ||
	    flow->word.proto != packet->protocol || backend->port != packet->src_port ||
	    !address_equal(address_from_bytes(backend->addr), packet->src) ||
	    !address_equal(address_from_bytes(backend->nat_addr), packet->dst))
		return 0;
	return entry;
}

/* Notes the time, at most once a second: the cache line stays shared among CPUs otherwise. */
static __always_inline void flow_touch(struct tg_flow *entry, __u32 now_s)
{
	if (READ_ONCE(entry->last_s) != now_s)
		WRITE_ONCE(entry->last_s, now_s);
}

/*
 * Where a client's packets come from: client_mac, local_mac and client_ifindex of a flow, as words.
 */
struct client_hop {
	__u64 words[2];
};

static __always_inline struct client_hop client_hop_of(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	const __u16 *mac = frame.start;
	__u64 local, client;

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return (struct client_hop){};
	local = mac[0] | (__u64)mac[1] << 16 | (__u64)mac[2] << 32;
	client = mac[3] | (__u64)mac[4] << 16 | (__u64)mac[5] << 32;
	return (struct client_hop){ { client | local << 48,
				      local >> 16 | (__u64)ctx->ingress_ifindex << 32 } };
}

/*
 * Notes it when it changed. A reply sent in the very moment of such a change may see half of it,
 * and is lost as packets to the old place are.
 */
static __always_inline void flow_learn_client(struct tg_flow *entry, struct client_hop hop)
{
	__u64 *learned = (__u64 *)entry->client_mac;

	if (READ_ONCE(learned[0]) != hop.words[0])
		WRITE_ONCE(learned[0], hop.words[0]);
	if (READ_ONCE(learned[1]) != hop.words[1])
		WRITE_ONCE(learned[1], hop.words[1]);
}

#endif
