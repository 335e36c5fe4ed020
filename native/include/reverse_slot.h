/* Where in `reverse` the NAT ports of a backend are. Shared with the addon's sweeper. */
#ifndef TIDEGATE_REVERSE_SLOT_H
#define TIDEGATE_REVERSE_SLOT_H

#include "dataplane_abi.h"
#include "hash.h"

/* The slot of NAT port 0, before the mask. `port` in network order. */
static __always_inline __u32 reverse_base(__u64 seed, struct address backend, __be16 port,
					  __u8 protocol, struct address nat_addr)
{
	struct hash hash = hash_start(seed);

	hash_add_address(&hash, backend);
	hash_add(&hash, (__u32)port << 16 | protocol);
	hash_add_address(&hash, nat_addr);
	return hash_finish(hash) >> 32;
}

/* `nat_port` in host order. */
static __always_inline __u32 reverse_slot(__u32 base, __u32 nat_port, __u32 reverse_mask)
{
	return (base + nat_port) & reverse_mask;
}

#endif
