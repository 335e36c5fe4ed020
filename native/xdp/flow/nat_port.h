/* NAT addresses and ports: claiming a slot of the reverse index. The rules are in flow.h. */
#ifndef TIDEGATE_NAT_PORT_H
#define TIDEGATE_NAT_PORT_H

#include "flow/flow_claim.h"

/* In place of a port: none now, but flows that may give way hold some. */
#define NAT_PORT_HELD 1

/*
 * Takes the NAT port of a flow that may give way, which ends, for the entry `index`. FLOW_TOO_YOUNG
 * when that had a packet later than `before_s`.
 */
__noinline int flow_steal_port(__u32 *owner, __u32 held, __u32 index, __u32 before_s)
{
	struct tg_flow *entry = flow_entry(held - 1);
	union tg_flow_word word, claimed;
	struct tg_backend *record;
	__u32 backend;

	if (!entry || !owner)
		return 0;
	word.raw = READ_ONCE(*flow_word(entry));
	if (!flow_may_give_way(word))
		return 0;
	load_barrier();
	if ((__s32)(READ_ONCE(entry->last_s) - before_s) > 0)
		return FLOW_TOO_YOUNG;
	claimed = word;
	claimed.state = TG_FLOW_CLAIMED;
	if (!flow_exchange(entry, word, claimed))
		return 0;
	if (__sync_val_compare_and_swap(owner, held, index + 1) != held) {
		/* Another flow by now, with another slot: it stays as it was. */
		flow_exchange(entry, claimed, word);
		return 0;
	}
	backend = entry->backend;
	record = bpf_map_lookup_elem(&backends, &backend);
	if (record && !flow_is_over(word))
		backend_flows_add(record, backend, -1);
	flow_free(entry, held - 1, claimed);
	count(TG_COUNTER_flow_displaced);
	return 1;
}

#define NAT_PORT_TRIES_IN_ALL (TG_NAT_PORT_TRIES + TG_NAT_PORT_THEFTS)

/*
 * Takes a NAT address and port for the claimed entry `index`: from a place in the range on that the
 * tuple's secret hash says (the upper half of `seeds`), so that a client who comes again is likely to
 * have the port again that the backend knows him by; further on in random strides, and from one NAT
 * address after the other. The last tries also take ports from flows that may give way. Returns the
 * address's index above 16 bits of port, 0 when no try succeeds, or NAT_PORT_HELD. `before_s` as
 * above.
 */
__noinline __u32 flow_take_port(__u32 index, const struct tg_backend *record, __u32 protocol,
				__u64 seeds, __u32 before_s)
{
	struct tg_config *cfg = config_get();
	__u32 first, range, offset, stride, turn, base = 0, none = 0;

	if (!cfg || !record)
		return 0;
	first = cfg->nat_port_first;
	range = cfg->nat_port_last - first + 1;
	offset = (seeds >> 32) * range >> 32;
	stride = 1 + ((seeds & 0xffffffff) * (range - 1) >> 32);
	turn = (seeds >> 32 & 0xffff) * record->nat_count >> 16;
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

#endif
