/*
 * Hashing: a polynomial over 32-bit words, then a 64-bit finalizer (Pelle Evensen's rrmxmx family:
 * multiply and xor-shift, a permutation).
 *
 * Tables that a stranger could try to overfill are hashed with a secret multiplier and start, so
 * that he cannot compute which tuples share a set. The choice of a backend is hashed with public
 * ones: two boxes must choose alike.
 */
#ifndef TIDEGATE_HASH_H
#define TIDEGATE_HASH_H

#include "address.h"

#define HASH_MIX 0xd6e8feb86659fd93ull
#define HASH_PUBLIC_SEED 0x9e3779b97f4a7c15ull

struct hash {
	__u64 sum;
	__u64 multiplier;
};

static __always_inline struct hash hash_start(__u64 seed)
{
	return (struct hash){ seed ^ HASH_MIX, seed | 1 };
}

static __always_inline void hash_add(struct hash *hash, __u32 word)
{
	hash->sum = (hash->sum + word) * hash->multiplier;
}

static __always_inline void hash_add_address(struct hash *hash, struct address address)
{
	if (!address_is_ipv4(address)) {
		hash_add(hash, address.first);
		hash_add(hash, address.first >> 32);
		hash_add(hash, address.last);
	}
	hash_add(hash, address.last >> 32);
}

static __always_inline __u64 hash_finish(struct hash hash)
{
	__u64 sum = hash.sum;

	sum = (sum ^ sum >> 32) * HASH_MIX;
	sum = (sum ^ sum >> 32) * HASH_MIX;
	return sum ^ sum >> 32;
}

#endif
