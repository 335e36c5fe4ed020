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
 * - A claimed live entry is dead, there is no way back: whoever claims an expired one has judged it
 *   by a word that had not changed until the claim. A packet that found the flow in the nanoseconds
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

#include <bpf/bpf_core_read.h>

#include "counters.h"
#include "hash.h"
#include "maps.h"
#include "packet.h"
#include "reverse_slot.h"

#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define FLOW_HASH_SHIFT (64 - 32 + TG_FLOW_TAG_RANDOM_BITS)
#define NANOSECONDS 1000000000ull
#define FLOW_TOO_YOUNG 2
/* In place of a port: none now, but unconfirmed flows hold some. */
#define NAT_PORT_HELD 1

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

/* Orders a store before it against loads after it, as nothing cheaper does on any machine. */
static __always_inline void full_barrier(void)
{
	__u64 scratch = 0;

	__sync_fetch_and_add(&scratch, 1);
	asm volatile("" ::"r"(scratch) : "memory");
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

/* The hints of the set, by its first entry's index. */
static __always_inline __u64 *flow_hints_of(__u32 set)
{
	__u32 index = set / TG_FLOW_WAYS;

	return bpf_map_lookup_elem(&flow_hints, &index);
}

static __always_inline __u8 flow_hint(__u32 hash_bits)
{
	__u8 hint = hash_bits;

	return hint ? hint : 1;
}

/* Only for the owner of the entry's claim. */
static __always_inline void flow_hint_write(__u32 index, __u8 hint)
{
	__u8 *hints = (__u8 *)flow_hints_of(index);

	if (hints)
		WRITE_ONCE(hints[index % TG_FLOW_WAYS], hint);
}

#define EACH_BYTE 0x0101010101010101ull

/*
 * The top bit of each byte of `hints` that equals `hint`; now and then of one more above it (the
 * borrow), which the look at the entry sorts out.
 */
static __always_inline __u64 hints_matching(__u64 hints, __u8 hint)
{
	__u64 difference = hints ^ hint * EACH_BYTE;

	return (difference - EACH_BYTE) & ~difference & EACH_BYTE << 7;
}

/* The way of the lowest match. BPF cannot count zeros: the bit shifts a table of eight bytes. */
static __always_inline __u32 lowest_way(__u64 matches)
{
	return ((matches & -matches) >> 7) * 0x0001020304050607ull >> 56;
}

/* Frees a claimed entry. Only for the owner of the claim. */
static __always_inline void flow_free(struct tg_flow *entry, __u32 index,
				      union tg_flow_word claimed)
{
	flow_hint_write(index, 0);
	flow_exchange(entry, claimed, (union tg_flow_word){ .raw = 0 });
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

/* Finds the key's flow in its set. A server stands for address, port and protocol. */
static __always_inline struct tg_flow *flow_find(struct flow *flow)
{
	const struct flow_key *key = &flow->key;
	__u64 *hints = flow_hints_of(key->set);
	__u64 matches;

	if (!hints)
		return 0;
	matches = hints_matching(READ_ONCE(*hints), flow_hint(key->hash_bits));
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_FLOW_WAYS && matches; i++, matches &= matches - 1) {
		__u32 index = key->set + lowest_way(matches);
		struct tg_flow *entry = flow_entry(index);
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
		flow->last_s = READ_ONCE(entry->last_s);
		load_barrier();
		if (READ_ONCE(entry->tag) != word.tag)
			continue;
		flow->word = word;
		flow->index = index;
		TRACE(flow_found, flow->index, word.raw, flow->backend, flow->nat_port,
		      flow->last_s);
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

/* Not confirmed by its client: who must give way when there is no room. */
static __always_inline int flow_is_unconfirmed(union tg_flow_word word)
{
	return word.state == TG_FLOW_HALF_OPEN || word.state == TG_FLOW_UDP;
}

static __always_inline __u32 *flow_slot(const struct tg_config *cfg,
					const struct tg_backend *record, __u8 protocol,
					struct address nat_addr, __be16 nat_port)
{
	__u32 base = reverse_base(cfg->hash_seed, address_from_bytes(record->addr), record->port,
				  protocol, nat_addr);
	__u32 slot = reverse_slot(base, bpf_ntohs(nat_port), cfg->reverse_mask);

	return bpf_map_lookup_elem(&reverse, &slot);
}

static __always_inline void backend_flows_add(const struct tg_backend *record, __u32 index,
					      __s64 change)
{
	__u64 *flows_of;

	if (!(record->flags & TG_BACKEND_COUNTED))
		return;
	flows_of = bpf_map_lookup_elem(&backend_flows, &index);
	if (flows_of)
		__sync_fetch_and_add(flows_of, change);
}

static __always_inline struct tg_config *config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

/*
 * Takes an entry that was live as `raw_word` out of the reverse index and the counts. Only for the
 * owner of its claim. This and the next are global functions: rare, and verified once each.
 */
__noinline int flow_let_go(__u32 index, __u64 raw_word)
{
	const union tg_flow_word word = { .raw = raw_word };
	struct tg_config *cfg = config_get();
	struct tg_flow *entry = flow_entry(index);
	__u32 nat_index = word.nat, backend_index;
	struct tg_nat_address *nat = bpf_map_lookup_elem(&nat_addresses, &nat_index);
	struct tg_backend *record;
	__u32 *owner;

	if (!cfg || !entry || !nat)
		return 0;
	backend_index = entry->backend;
	record = bpf_map_lookup_elem(&backends, &backend_index);
	if (!record)
		return 0;
	owner = flow_slot(cfg, record, word.proto, address_from_bytes(nat->addr), entry->nat_port);
	if (owner)
		__sync_val_compare_and_swap(owner, index + 1, 0);
	if (word.state != TG_FLOW_CLOSING)
		backend_flows_add(record, backend_index, -1);
	return 0;
}

/* Claims an entry of the set that is free by its hint and by itself. */
static __always_inline struct tg_flow *flow_claim_free(const struct flow_key *key,
						       union tg_flow_word claimed, __u32 *index)
{
	const union tg_flow_word free = { .raw = 0 };
	__u64 *hints = flow_hints_of(key->set);
	__u64 matches;

	if (!hints)
		return 0;
	matches = hints_matching(READ_ONCE(*hints), 0);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_FLOW_WAYS && matches; i++, matches &= matches - 1) {
		__u32 at = key->set + lowest_way(matches);
		struct tg_flow *entry = flow_entry(at);

		if (!entry)
			return 0;
		if (!flow_exchange(entry, free, claimed))
			continue;
		TRACE(claimed, at, 0);
		*index = at;
		return entry;
	}
	return 0;
}

/* Claims the expired entry of a full set, if there is one. 1 when it did. */
__noinline int flow_claim_expired(__u32 set, __u32 now_s, __u64 raw_claimed, __u32 *index)
{
	const union tg_flow_word claimed = { .raw = raw_claimed };
	struct tg_config *cfg = config_get();

	if (!index || !cfg)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 way = 0; way < TG_FLOW_WAYS; way++) {
		struct tg_flow *entry = flow_entry(set + way);
		union tg_flow_word word;

		if (!entry)
			return 0;
		word.raw = READ_ONCE(*flow_word(entry));
		if (!flow_expired(entry, word, cfg, now_s) || !flow_exchange(entry, word, claimed))
			continue;
		TRACE(claimed, set + way, word.raw);
		flow_let_go(set + way, word.raw);
		*index = set + way;
		return 1;
	}
	return 0;
}

/*
 * Claims the oldest unconfirmed flow of a full set, of those whose last packet is no later than
 * `before_s`; of several as old, a random one: the newest client would always be the next to go
 * otherwise. FLOW_TOO_YOUNG when all unconfirmed ones are later than that, 0 when there are none.
 */
__noinline int flow_displace(__u32 set, __u32 before_s, __u64 raw_claimed, __u32 *index)
{
	const union tg_flow_word claimed = { .raw = raw_claimed };
	union tg_flow_word oldest = { .raw = 0 };
	struct tg_flow *entry;
	__s32 age, most = -1;
	__u32 found = 0;
	int young = 0;

	if (!index)
		return 0;
#pragma clang loop unroll(disable)
	for (__u32 turn = 0; turn < TG_FLOW_WAYS; turn++) {
		__u32 way = (turn + claimed.tag) & (TG_FLOW_WAYS - 1);
		union tg_flow_word word;

		entry = flow_entry(set + way);
		if (!entry)
			return 0;
		word.raw = READ_ONCE(*flow_word(entry));
		if (!flow_is_unconfirmed(word))
			continue;
		load_barrier();
		age = before_s - READ_ONCE(entry->last_s);
		if (age < 0)
			young = FLOW_TOO_YOUNG;
		if (age <= most)
			continue;
		most = age;
		oldest = word;
		found = set + way;
	}
	entry = flow_entry(found);
	if (!oldest.raw)
		return young;
	if (!entry || !flow_exchange(entry, oldest, claimed))
		return 0;
	TRACE(displaced, found, oldest.raw);
	flow_let_go(found, oldest.raw);
	count(TG_COUNTER_flow_displaced);
	*index = found;
	return 1;
}

/* Whether another entry of the set is, or may be about to become, the same flow. */
static __always_inline int flow_has_twin(const struct flow_key *key, __u32 index)
{
	__u64 *hints = flow_hints_of(key->set);
	__u64 matches;

	if (!hints)
		return 0;
	matches = hints_matching(READ_ONCE(*hints), flow_hint(key->hash_bits));
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_FLOW_WAYS && matches; i++, matches &= matches - 1) {
		__u32 at = key->set + lowest_way(matches);
		struct tg_flow *entry = flow_entry(at);
		union tg_flow_word word;

		if (!entry)
			return 0;
		if (at == index)
			continue;
		load_barrier();
		word.raw = READ_ONCE(*flow_word(entry));
		if (word.tag >> TG_FLOW_TAG_RANDOM_BITS != key->hash_bits)
			continue;
		load_barrier();
		if (word.state == TG_FLOW_CLAIMED || flow_is(entry, key))
			return 1;
	}
	return 0;
}

/*
 * Takes the NAT port of an unconfirmed flow, which ends, for the entry `index`. FLOW_TOO_YOUNG when
 * that had a packet later than `before_s`.
 */
__noinline int flow_steal_port(__u32 *owner, __u32 held, __u32 index, __u32 before_s)
{
	struct tg_flow *entry = flow_entry(held - 1);
	union tg_flow_word word, claimed;

	if (!entry || !owner)
		return 0;
	word.raw = READ_ONCE(*flow_word(entry));
	if (!flow_is_unconfirmed(word))
		return 0;
	load_barrier();
	if ((__s32)(READ_ONCE(entry->last_s) - before_s) > 0)
		return FLOW_TOO_YOUNG;
	claimed = word;
	claimed.state = TG_FLOW_CLAIMED;
	if (!flow_exchange(entry, word, claimed))
		return 0;
	flow_let_go(held - 1, word.raw);
	flow_free(entry, held - 1, claimed);
	if (__sync_val_compare_and_swap(owner, 0, index + 1) != 0)
		return 0;
	count(TG_COUNTER_flow_displaced);
	return 1;
}

#define NAT_PORT_TRIES_IN_ALL (TG_NAT_PORT_TRIES + TG_NAT_PORT_THEFTS)

/*
 * Takes a NAT address and port for the claimed entry `index`: from a random place in the range on,
 * in random strides, as runs of taken ports would grow otherwise, and from one NAT address after
 * the other. The last tries also take ports from unconfirmed flows. Returns the address's index
 * above 16 bits of port, 0 when no try succeeds, or NAT_PORT_HELD. `before_s` as above.
 */
__noinline __u32 flow_take_port(__u32 index, const struct tg_backend *record, __u32 protocol,
				__u32 random, __u32 before_s)
{
	struct tg_config *cfg = config_get();
	__u32 first, range, offset, stride, turn, base = 0, none = 0;

	if (!cfg || !record)
		return 0;
	first = cfg->nat_port_first;
	range = cfg->nat_port_last - first + 1;
	offset = (__u64)random * range >> 32;
	stride = 1 + ((__u64)(random * (__u32)HASH_MIX) * (range - 1) >> 32);
	turn = (__u64)(random * (__u32)HASH_PUBLIC_SEED) * record->nat_count >> 32;
#pragma clang loop unroll(disable)
	for (__u32 try = 0; try < NAT_PORT_TRIES_IN_ALL; try++) {
		__u32 nat = record->nat_first + turn, slot, held;
		__u32 *owner;
		int taken;

		if (try == 0 || record->nat_count > 1) {
			struct tg_nat_address *address = bpf_map_lookup_elem(&nat_addresses, &nat);

			if (!address)
				return 0;
			base = reverse_base(cfg->hash_seed, address_from_bytes(record->addr),
					    record->port, protocol,
					    address_from_bytes(address->addr));
			turn = turn + 1 < record->nat_count ? turn + 1 : 0;
		}
		slot = reverse_slot(base, first + offset, cfg->reverse_mask);
		owner = bpf_map_lookup_elem(&reverse, &slot);
		if (!owner)
			return 0;
		held = READ_ONCE(*owner);
		if (!held)
			taken = __sync_val_compare_and_swap(owner, 0, index + 1) == 0;
		else if (try < TG_NAT_PORT_TRIES)
			taken = 0;
		else
			taken = flow_steal_port(owner, held, index, before_s);
		if (taken == FLOW_TOO_YOUNG)
			none = NAT_PORT_HELD;
		if (taken == 1) {
			TRACE(nat, nat, first + offset, try);
			return nat << 16 | (first + offset);
		}
		offset += stride;
		if (offset >= range)
			offset -= range;
	}
	return none;
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

/*
 * Where a client's packets come from: client_mac, local_mac, client_ifindex and VLANs of a flow, as
 * words.
 */
struct client_hop {
	__u64 words[2];
	__u64 vlans;
};

static __always_inline struct client_hop client_hop_of(struct xdp_md *ctx,
						       const struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	const __u16 *mac = frame.start;
	__u64 local, client;

	if (frame.start + sizeof(struct ethhdr) > frame.end)
		return (struct client_hop){};
	local = mac[0] | (__u64)mac[1] << 16 | (__u64)mac[2] << 32;
	client = mac[3] | (__u64)mac[4] << 16 | (__u64)mac[5] << 32;
	return (struct client_hop){ { client | local << 48,
				      local >> 16 | (__u64)packet->ingress << 32 },
				    packet->vlans };
}

/* `vlan` and `inner_vlan` as one word. */
static __always_inline __u32 *flow_vlans(struct tg_flow *entry)
{
	return (__u32 *)&entry->vlan;
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
	if (READ_ONCE(*flow_vlans(entry)) != (__u32)hop.vlans)
		WRITE_ONCE(*flow_vlans(entry), (__u32)hop.vlans);
}

#endif
