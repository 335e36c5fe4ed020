/*
 * Taking an entry of the flow table for a new flow: a free one, else an expired one, else that of a
 * flow that may give way. The rules are in flow.h.
 */
#ifndef TIDEGATE_FLOW_CLAIM_H
#define TIDEGATE_FLOW_CLAIM_H

#include "base/config.h"
#include "base/counters.h"
#include "flow/flow.h"

/* What could give way came too lately to. */
#define FLOW_TOO_YOUNG 2

/* Frees a claimed entry. Only for the owner of the claim. */
static __always_inline void flow_free(struct tg_flow *entry, __u32 index,
				      union tg_flow_word claimed)
{
	flow_hint_write(index, 0);
	flow_exchange(entry, claimed, (union tg_flow_word){ .raw = 0 });
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
	case TG_FLOW_TIME_WAIT:
		timeout = cfg->tcp_time_wait_s;
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

/* Nothing but stray segments is to be expected. */
static __always_inline int flow_is_over(union tg_flow_word word)
{
	return word.state == TG_FLOW_CLOSING || word.state == TG_FLOW_TIME_WAIT;
}

/* Not confirmed by its client, or over: who must give way when there is no room. */
static __always_inline int flow_may_give_way(union tg_flow_word word)
{
	return word.state == TG_FLOW_HALF_OPEN || word.state == TG_FLOW_UDP || flow_is_over(word);
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
	if (!flow_is_over(word))
		backend_flows_add(record, backend_index, -1);
	return 0;
}

/* Claims a free entry of the set: the tuple's home if that is, else one that is free by its hint. */
static __always_inline struct tg_flow *flow_claim_free(const struct flow_key *key,
						       union tg_flow_word claimed, __u32 *index)
{
	const union tg_flow_word free = { .raw = 0 };
	__u64 *hints = flow_hints_of(key->set);
	struct tg_flow *home = flow_entry(key->home);
	__u64 matches;

	if (!hints || !home)
		return 0;
	if (READ_ONCE(home->tag) == TG_FLOW_FREE && flow_exchange(home, free, claimed)) {
		TRACE(claimed, key->home, 0);
		*index = key->home;
		return home;
	}
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
 * Claims the oldest flow of a full set that may give way, of those whose last packet is no later
 * than `before_s`; of several as old, a random one: the newest client would always be the next to go
 * otherwise. FLOW_TOO_YOUNG when all that may are later than that, 0 when there are none.
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
		if (!flow_may_give_way(word))
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

#endif
