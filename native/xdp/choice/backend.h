/* Which backend takes a new flow. */
#ifndef TIDEGATE_BACKEND_H
#define TIDEGATE_BACKEND_H

#include "base/config.h"
#include "base/maps.h"
#include "flow/flow.h"
#include "hash.h"
#include "packet/packet.h"

/* A backend, copied: the compiler may not move address arithmetic before the map's null check. */
struct backend {
	struct tg_backend record;
	__u32 index;
};

static __always_inline int backend_read(__u32 index, struct backend *backend)
{
	struct tg_backend *record = bpf_map_lookup_elem(&backends, &index);

	if (!record || index == 0)
		return 0;
	backend->record = *record;
	backend->index = index;
	return 1;
}

static __always_inline int backend_takes_new_flows(const struct backend *backend, __u32 server)
{
	return backend->record.server == server && (backend->record.flags & TG_BACKEND_ACTIVE);
}

/* Equal on every box: hashes what all of them see, with public constants. */
static __always_inline __u64 ring_hash(const struct packet *packet, const struct tg_vip *vip)
{
	struct hash hash = hash_start(HASH_PUBLIC_SEED);

	hash_add_address(&hash, packet->src);
	if (!(vip->flags & TG_VIP_HASH_CLIENT_ONLY)) {
		hash_add(&hash, (__u32)packet->src_port << 16 | packet->dst_port);
		hash_add(&hash, packet->protocol);
		hash_add_address(&hash, packet->dst);
	}
	return hash_finish(hash);
}

static __always_inline __u32 ring_word(void *ring, __u32 position)
{
	const struct tg_ring_line *line = ring_line_find(ring, position / TG_RING_LINE_WORDS);

	return line ? line->words[position % TG_RING_LINE_WORDS] : 0;
}

static __always_inline __u32 scaled(__u32 hash, __u32 size)
{
	return (__u64)hash * size >> 32;
}

/* Highest random weight (Thaler and Ravishankar, 1998) over a short list. */
static __always_inline __u32 draw_rendezvous(void *ring, const struct tg_vip *vip, __u64 hash)
{
	__u32 best = 0, best_score = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TG_RENDEZVOUS_MAX; i++) {
		__u32 at = vip->ring_offset + 2 * i, score;
		__u64 sum;

		if (i >= vip->ring_size)
			break;
		sum = (hash + ring_word(ring, at + 1)) * HASH_MIX;
		sum = (sum ^ sum >> 32) * HASH_MIX;
		score = sum >> 32;
		if (i && score <= best_score)
			continue;
		best_score = score;
		best = ring_word(ring, at);
	}
	return best;
}

static __always_inline __u32 draw_in_turn(void *ring, const struct tg_vip *vip)
{
	__u32 server = vip->server;
	__u64 *cursor = bpf_map_lookup_elem(&cursors, &server);

	if (!cursor || vip->ring_size == 0)
		return 0;
	return ring_word(ring, vip->ring_offset +
				       (__u32)__sync_fetch_and_add(cursor, 1) % vip->ring_size);
}

static __always_inline __u64 flows_of(__u32 backend)
{
	__u64 *count = bpf_map_lookup_elem(&backend_flows, &backend);

	return count ? *count : 0;
}

#define LEAST_CHOICES 4

/*
 * The power of choices (Mitzenmacher, 2001): the least loaded of some neighbours at a random place
 * is nearly as good as the least loaded of all, and is just that where there are no more. A backend
 * stands in the ring as often as its weight says, so heavy ones are asked more often.
 */
static __always_inline __u32 draw_least(void *ring, const struct tg_vip *vip)
{
	__u32 place = scaled(bpf_get_prandom_u32(), vip->ring_size), best = 0;
	__u64 fewest = 0;

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < LEAST_CHOICES && i < vip->ring_size; i++) {
		__u32 backend = ring_word(ring, vip->ring_offset + place);
		__u64 flows = flows_of(backend);

		if (i == 0 || (__s64)(flows - fewest) < 0) {
			fewest = flows;
			best = backend;
		}
		place = place + 1 < vip->ring_size ? place + 1 : 0;
	}
	return best;
}

/* The index of the backend that the ring offers, 0 for none. A global function: verified once. */
__noinline __u32 backend_draw(const struct tg_vip *vip, __u64 hash)
{
	void *ring;

	if (!vip || vip->ring_size == 0)
		return 0;
	ring = ring_chunk_find(vip->ring_chunk);
	if (!ring)
		return 0;
	switch (vip->scheduler) {
	case TG_SCHEDULER_RENDEZVOUS:
		return draw_rendezvous(ring, vip, hash);
	case TG_SCHEDULER_HASH:
		return ring_word(ring, vip->ring_offset + scaled(hash >> 32, vip->ring_size));
	case TG_SCHEDULER_ROUND_ROBIN:
		return draw_in_turn(ring, vip);
	default:
		return draw_least(ring, vip);
	}
}

#define DRAWS_MAX 4
#define ADMIT_ALL 256

/*
 * A backend in slow start takes a part of what it is offered, chosen by hash as well; the rest is
 * drawn again. The last draw counts whatever it is.
 */
static __always_inline int backend_by_ring(const struct packet *packet, const struct tg_vip *vip,
					   struct backend *backend)
{
	__u64 hash = ring_hash(packet, vip);
	int found = 0;

	for (int draw = 0; draw < DRAWS_MAX; draw++) {
		found = backend_read(backend_draw(vip, hash), backend) &&
			backend_takes_new_flows(backend, vip->server);
		TRACE(drawn, found ? backend->index : 0);
		if (found && (backend->record.admit >= ADMIT_ALL ||
			      (hash & (ADMIT_ALL - 1)) < backend->record.admit))
			break;
		if (found)
			TRACE(slow_start, backend->index, backend->record.admit);
		hash = (hash ^ hash >> 29) * HASH_MIX;
	}
	return found;
}

static __always_inline void affinity_key_init(struct tg_affinity_key *key,
					      const struct packet *packet, const struct tg_vip *vip)
{
	address_to_bytes(packet->src, key->client);
	key->group = vip->affinity_group;
}

/*
 * The client's endpoint is one of the whole Service; this port's backend there is looked up. A
 * function of its own, as the stack is nearly used up, and kernels before 6.8 count it in larger
 * units.
 */
static __noinline int backend_by_affinity(const struct packet *packet,
					       const struct tg_vip *vip, __u64 now_ns,
					       struct backend *backend)
{
	struct tg_affinity_backend_key wanted = { .server = vip->server };
	struct tg_affinity_key key;
	struct tg_affinity *found;
	__u32 *index;

	affinity_key_init(&key, packet, vip);
	found = bpf_map_lookup_elem(&affinity, &key);
	if (!found || (__s64)(now_ns - found->last_ns) > (__s64)(vip->affinity_s * NANOSECONDS))
		return 0;
	wanted.endpoint = found->endpoint;
	index = bpf_map_lookup_elem(&affinity_backends, &wanted);
	TRACE(affinity, found->endpoint, index ? *index : 0);
	return index && backend_read(*index, backend) &&
	       backend_takes_new_flows(backend, vip->server);
}

static APART int backend_choose(const struct packet *packet, const struct tg_vip *vip,
					  __u64 now_ns, struct backend *backend)
{
	if (vip->affinity_s && backend_by_affinity(packet, vip, now_ns, backend))
		return 1;
	return backend_by_ring(packet, vip, backend);
}

/* Each new flow renews the client's hold on its backend, as kube-proxy does. */
static __noinline void affinity_note(const struct packet *packet, const struct tg_vip *vip,
					  __u64 now_ns, const struct backend *backend)
{
	struct tg_affinity value = { .endpoint = backend->record.endpoint, .last_ns = now_ns };
	struct tg_affinity_key key;

	affinity_key_init(&key, packet, vip);
	bpf_map_update_elem(&affinity, &key, &value, BPF_ANY);
}

#endif
