/* The hints of the flow table: which entries of a set may be meant. See flow.h. */
#ifndef TIDEGATE_FLOW_HINTS_H
#define TIDEGATE_FLOW_HINTS_H

#include "base/atomic.h"
#include "base/maps.h"

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

#endif
