/*
 * Fragments. Only a datagram's first one has ports, so it finds or makes the flow, and leaves a
 * note in `fragments` for the others. What they say of their place is not looked at: overlapping
 * ones go on as they came, and their receiver judges (an IPv6 receiver drops such a datagram: RFC
 * 5722).
 *
 * All get an identification of ours: many clients become one NAT address, and two of them may use
 * the same identification for the same backend at the same time (RFC 6864, section 5.3.1).
 */
#ifndef TIDEGATE_FRAGMENT_H
#define TIDEGATE_FRAGMENT_H

#include "base/config.h"
#include "base/counters.h"
#include "base/maps.h"
#include "flow/flow.h"
#include "hash.h"
#include "packet/hop.h"
#include "packet/packet.h"

/* A first fragment that comes again so soon is a copy: its datagram keeps its identification. */
#define FRAGMENT_COPY_S 2

struct fragment_memory {
	struct tg_fragment_key key;
	struct tg_fragment value;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fragment_memory);
} fragment_memory SEC(".maps");

/* The packet's key, in memory of this CPU. */
static __always_inline struct fragment_memory *fragment_key(const struct packet *packet)
{
	__u32 zero = 0;
	struct fragment_memory *memory = own_map_lookup(&fragment_memory, &zero);

	if (!memory)
		return NULL;
	address_to_bytes(packet->src, memory->key.src);
	address_to_bytes(packet->dst, memory->key.dst);
	memory->key.id = packet->fragment_id;
	/* IPv6: not part of it, and later fragments may say another (RFC 8200, section 4.5). */
	memory->key.proto = packet->is_ipv4 ? packet->protocol : 0;
	__builtin_memset(memory->key.pad, 0, sizeof(memory->key.pad));
	return memory;
}

/* The note about the packet's datagram. */
static __always_inline struct tg_fragment *fragment_find(const struct fragment_memory *memory,
							 __u32 now_s, __u32 lifetime_s)
{
	struct tg_fragment *known = bpf_map_lookup_elem(&fragments, &memory->key);

	/* Another CPU's coarse clock may be a tick ahead: a negative age is young. */
	if (!known || (__s32)(now_s - known->noted_s) > (__s32)lifetime_s)
		return NULL;
	return known;
}

static __always_inline __u32 fragment_now_s(void)
{
	return clock_ns() / NANOSECONDS;
}

/*
 * An identification that no other datagram between these addresses had lately: a counter shared by
 * the pairs of addresses that hash alike, so that it does not soon come round, from a secret start.
 */
static __always_inline __u32 fragment_next_id(const struct packet *packet, const struct hop *hop)
{
	const struct tg_config *cfg = config_get();
	struct hash hash = hash_start(cfg ? cfg->hash_seed : HASH_PUBLIC_SEED);
	__u64 sum, *counter;
	__u32 place, id;

	hash_add_address(&hash, hop->src);
	hash_add_address(&hash, hop->dst);
	hash_add(&hash, packet->protocol);
	sum = hash_finish(hash);
	place = (__u32)sum & (TG_FRAGMENT_COUNTERS - 1);
	counter = bpf_map_lookup_elem(&fragment_counters, &place);
	id = sum >> 32;
	if (counter)
		id += (__u32)__sync_fetch_and_add(counter, 1);
	return packet->is_ipv4 ? bpf_htons(id) : bpf_htonl(id);
}

/* Says where the rest of this first fragment's datagram goes. A global function: verified once. */
__noinline int fragment_note(const struct packet *packet, struct hop *hop)
{
	struct fragment_memory *memory;
	struct tg_fragment *known, *value;
	__u32 now_s = fragment_now_s();

	if (!packet || !hop)
		return 0;
	memory = fragment_key(packet);
	if (!memory)
		return 0;
	known = fragment_find(memory, now_s, FRAGMENT_COPY_S);
	if (known && address_equal(address_from_bytes(known->src), hop->src) &&
	    address_equal(address_from_bytes(known->dst), hop->dst))
		hop->fragment_id = known->id;
	else
		hop->fragment_id = fragment_next_id(packet, hop);
	value = &memory->value;
	address_to_bytes(hop->src, value->src);
	address_to_bytes(hop->dst, value->dst);
	__builtin_memcpy(value->dst_mac, hop->macs, sizeof(hop->macs));
	value->ifindex = hop->ifindex;
	value->vlan = hop->vlans;
	value->inner_vlan = hop->vlans >> 16;
	value->id = hop->fragment_id;
	value->server = hop->server;
	value->backend = hop->backend;
	value->from_client = hop->from_client;
	value->noted_s = now_s;
	bpf_map_update_elem(&fragments, &memory->key, value, BPF_ANY);
	return 0;
}

/*
 * The way of a later fragment; 0: nobody told us. The table may give a note's place to another
 * while it is read: then it is not found there any more.
 */
static __always_inline int fragment_hop(const struct packet *packet, struct hop *hop)
{
	struct fragment_memory *memory = fragment_key(packet);
	const struct tg_fragment *known;

	if (!memory)
		return 0;
	known = fragment_find(memory, fragment_now_s(), TG_FRAGMENT_LIFETIME_S);
	if (!known)
		return 0;
	hop->src = address_from_bytes(known->src);
	hop->dst = address_from_bytes(known->dst);
	hop->src_port = 0;
	hop->dst_port = 0;
	hop_set_macs(hop, known->dst_mac);
	hop->ifindex = known->ifindex;
	hop->vlans = known->vlan | (__u32)known->inner_vlan << 16;
	hop->server = known->server;
	hop->backend = known->backend;
	hop->from_client = known->from_client;
	hop->fragment_id = known->id;
	load_barrier();
	return bpf_map_lookup_elem(&fragments, &memory->key) == known;
}

#endif
