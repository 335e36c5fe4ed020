/* Which backend takes a new flow. */
#ifndef TIDEGATE_BACKEND_H
#define TIDEGATE_BACKEND_H

#include "flow.h"
#include "hash.h"
#include "maps.h"
#include "packet.h"

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
static __always_inline __u32 ring_hash(const struct packet *packet, const struct tg_vip *vip)
{
	struct hash hash = hash_start(HASH_PUBLIC_SEED);

	hash_add_address(&hash, packet->src);
	if (!(vip->flags & TG_VIP_HASH_CLIENT_ONLY)) {
		hash_add(&hash, (__u32)packet->src_port << 16 | packet->dst_port);
		hash_add(&hash, packet->protocol);
		hash_add_address(&hash, packet->dst);
	}
	return hash_finish(hash) >> 32;
}

static __always_inline int backend_by_ring(const struct packet *packet, const struct tg_vip *vip,
					   struct backend *backend)
{
	__u32 position, chunk = vip->ring_chunk;
	__u32 *index;
	void *ring;

	if (vip->ring_size == 0)
		return 0;
	ring = bpf_map_lookup_elem(&ring_chunks, &chunk);
	if (!ring)
		return 0;
	position = vip->ring_offset + ((__u64)ring_hash(packet, vip) * vip->ring_size >> 32);
	index = bpf_map_lookup_elem(ring, &position);
	return index && backend_read(*index, backend) &&
	       backend_takes_new_flows(backend, vip->server);
}

static __always_inline void affinity_key_init(struct tg_affinity_key *key,
					      const struct packet *packet, __u32 server)
{
	address_to_bytes(packet->src, key->client);
	key->server = server;
	key->pad = 0;
}

static __always_inline int backend_by_affinity(const struct packet *packet,
					       const struct tg_vip *vip, __u64 now_ns,
					       struct backend *backend)
{
	struct tg_affinity_key key;
	struct tg_affinity *found;
	struct tg_affinity known;

	affinity_key_init(&key, packet, vip->server);
	found = bpf_map_lookup_elem(&affinity, &key);
	if (!found)
		return 0;
	known = *found;
	if ((__s64)(now_ns - known.last_ns) > (__s64)(vip->affinity_s * NANOSECONDS))
		return 0;
	return backend_read(known.backend, backend) &&
	       backend->record.generation == known.generation &&
	       backend_takes_new_flows(backend, vip->server);
}

static __always_inline int backend_choose(const struct packet *packet, const struct tg_vip *vip,
					  __u64 now_ns, struct backend *backend)
{
	if (vip->affinity_s && backend_by_affinity(packet, vip, now_ns, backend))
		return 1;
	return backend_by_ring(packet, vip, backend);
}

/* Each new flow renews the client's hold on its backend, as kube-proxy does. */
static __always_inline void affinity_note(const struct packet *packet, const struct tg_vip *vip,
					  __u64 now_ns, const struct backend *backend)
{
	struct tg_affinity value = { .backend = backend->index,
				     .generation = backend->record.generation,
				     .last_ns = now_ns };
	struct tg_affinity_key key;

	if (!vip->affinity_s)
		return;
	affinity_key_init(&key, packet, vip->server);
	bpf_map_update_elem(&affinity, &key, &value, BPF_ANY);
}

#endif
