/*
 * Addresses as two 64-bit words, both families alike: IPv4 as ::ffff:a.b.c.d. Shared with the
 * addon's sweeper.
 */
#ifndef TIDEGATE_ADDRESS_H
#define TIDEGATE_ADDRESS_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are composed for little-endian");

/* The 16 bytes as they stand in memory, in network order; never to be compared by size. */
struct address {
	__u64 first;
	__u64 last;
};

#define IPV4_MAPPED_PREFIX 0xffff0000ull /* bytes 8..11 of ::ffff:a.b.c.d */

static __always_inline struct address address_from_ipv4(__be32 ipv4)
{
	return (struct address){ 0, (__u64)ipv4 << 32 | IPV4_MAPPED_PREFIX };
}

typedef __u64 __attribute__((may_alias)) address_word;

static __always_inline struct address address_from_bytes(const void *bytes)
{
	const address_word *words = bytes;

	return (struct address){ words[0], words[1] };
}

static __always_inline int address_is_ipv4(struct address address)
{
	return address.first == 0 && (__u32)address.last == IPV4_MAPPED_PREFIX;
}

static __always_inline __be32 address_to_ipv4(struct address address)
{
	return address.last >> 32;
}

static __always_inline int address_equal(struct address a, struct address b)
{
	return a.first == b.first && a.last == b.last;
}

static __always_inline void address_to_bytes(struct address address, void *bytes)
{
	address_word *words = bytes;

	words[0] = address.first;
	words[1] = address.last;
}

#endif
