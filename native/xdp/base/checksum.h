/* Incremental Internet checksums: RFC 1624, equation 3, HC' = ~(~HC + ~m + m'). */
#ifndef TIDEGATE_CHECKSUM_H
#define TIDEGATE_CHECKSUM_H

#include "address.h"

/* A one's complement sum, not yet folded: what changed so far. */
static __always_inline __u64 checksum_change(__u64 sum, __u32 from, __u32 to)
{
	return sum + (__u32)~from + to;
}

static __always_inline __u64 checksum_change_address(__u64 sum, struct address from,
						     struct address to)
{
	sum = checksum_change(sum, from.first, to.first);
	sum = checksum_change(sum, from.first >> 32, to.first >> 32);
	sum = checksum_change(sum, from.last, to.last);
	return checksum_change(sum, from.last >> 32, to.last >> 32);
}

/* The new checksum. Words in the order of the packet's memory, as the old checksum is. */
static __always_inline __u16 checksum_apply(__u16 old, __u64 sum)
{
	sum += (__u16)~old;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

#endif
