/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash that a stranger can neither
 * compute nor learn from what he sees of it. Words are the message's bytes eight by eight, little-endian;
 * the last holds what is left, and the message's length in its highest byte.
 */
#ifndef TIDEGATE_SIPHASH_H
#define TIDEGATE_SIPHASH_H

#include "address.h"

struct siphash {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 rotate_left(__u64 word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static __always_inline void siphash_round(struct siphash *hash)
{
	hash->v0 += hash->v1;
	hash->v1 = rotate_left(hash->v1, 13) ^ hash->v0;
	hash->v0 = rotate_left(hash->v0, 32);
	hash->v2 += hash->v3;
	hash->v3 = rotate_left(hash->v3, 16) ^ hash->v2;
	hash->v0 += hash->v3;
	hash->v3 = rotate_left(hash->v3, 21) ^ hash->v0;
	hash->v2 += hash->v1;
	hash->v1 = rotate_left(hash->v1, 17) ^ hash->v2;
	hash->v2 = rotate_left(hash->v2, 32);
}

static __always_inline struct siphash siphash_start(const __u64 key[2])
{
	return (struct siphash){
		key[0] ^ 0x736f6d6570736575ull,
		key[1] ^ 0x646f72616e646f6dull,
		key[0] ^ 0x6c7967656e657261ull,
		key[1] ^ 0x7465646279746573ull,
	};
}

static __always_inline void siphash_add(struct siphash *hash, __u64 word)
{
	hash->v3 ^= word;
	siphash_round(hash);
	siphash_round(hash);
	hash->v0 ^= word;
}

static __always_inline __u64 siphash_finish(struct siphash *hash)
{
	hash->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(hash);
	return hash->v0 ^ hash->v1 ^ hash->v2 ^ hash->v3;
}

#endif
