/*
 * How many new flows: a CPU in all, a port of a VIP, a client.
 *
 * None of them lets a flood of forged SYNs lock anybody out. What is over a CPU's budget or a VIP's
 * limit gets a cookie, and whoever returns it has shown that he is there (`proven`): he is not
 * asked for the budget again, and goes first within the VIP's limit. A client over its own limit
 * gets nothing.
 */
#ifndef TIDEGATE_LIMITS_H
#define TIDEGATE_LIMITS_H

#include "base/config.h"
#include "base/maps.h"
#include "guard/allowance.h"
#include "guard/rate.h"
#include "hash.h"
#include "packet/packet.h"

/* What may come at once: a second's worth. */
#define LIMIT_BURST_NS NANOSECONDS

/* Whether this CPU may open one more flow, and counts it. */
static __always_inline int budget_take(const struct tg_config *cfg)
{
	return !cfg->new_flows_per_s || allowance_take(ALLOWANCE_NEW_FLOWS, cfg->new_flows_per_s);
}

/*
 * All CPUs together, without a loop: who loses the exchange to another CPU is admitted uncounted.
 */
static __always_inline void limit_add(__u64 *done_at, __u64 seen, __u64 now_ns, __u64 share)
{
	__sync_val_compare_and_swap(done_at, seen, rate_add(seen, now_ns, share));
}

/*
 * Whether the VIP's port may have one more flow, and counts it. The proven are limited among
 * themselves, and the others to what those leave.
 */
static __always_inline int vip_limit_take(const struct tg_vip *vip, __u64 now_ns, int proven)
{
	__u32 server = vip->server;
	struct tg_vip_limit *limit;
	__u64 all, first, share;

	if (!vip->new_flows_per_s)
		return 1;
	limit = bpf_map_lookup_elem(&vip_limits, &server);
	if (!limit)
		return 0;
	share = rate_share(vip->new_flows_per_s);
	all = READ_ONCE(limit->all_done_ns);
	first = READ_ONCE(limit->proven_done_ns);
	if (rate_is_over(proven ? first : all, now_ns, share, LIMIT_BURST_NS))
		return 0;
	if (proven)
		limit_add(&limit->proven_done_ns, first, now_ns, share);
	limit_add(&limit->all_done_ns, all, now_ns, share);
	return 1;
}

/* The client's buckets: one of each half of `client_limits`. */
struct client_buckets {
	__u64 *one;
	__u64 *other;
};

static __always_inline __u64 leading_bits(__u64 word, __u32 bits)
{
	return bits >= 64 ? word : bits ? word & __builtin_bswap64(~0ull << (64 - bits)) : 0;
}

/*
 * A count-min sketch (Cormode and Muthukrishnan, 2005): a stranger is mistaken for a client over
 * its limit only where both his buckets are such clients'. No entry is made for anybody, so
 * millions of forged sources cost nothing more. The port of the VIP counts for itself.
 */
static __always_inline struct client_buckets client_buckets_of(const struct tg_config *cfg,
							       const struct packet *packet,
							       __u32 server)
{
	__u32 bits = packet->is_ipv4 ? 96 + cfg->client_prefix4 : cfg->client_prefix6;
	struct hash hash = hash_start(cfg->hash_seed);
	struct address prefix;
	__u32 one, other;
	__u64 sum;

	prefix.first = leading_bits(packet->src.first, bits);
	prefix.last = bits > 64 ? leading_bits(packet->src.last, bits - 64) : 0;
	hash_add_address(&hash, prefix);
	hash_add(&hash, server);
	sum = hash_finish(hash);
	one = sum & (TG_CLIENT_LIMITS / 2 - 1);
	other = TG_CLIENT_LIMITS / 2 + (sum >> 32 & (TG_CLIENT_LIMITS / 2 - 1));
	return (struct client_buckets){ bpf_map_lookup_elem(&client_limits, &one),
					bpf_map_lookup_elem(&client_limits, &other) };
}

/*
 * Whether the client's prefix may open one more flow to this VIP's port, which has a limit. `count`:
 * it does, as all else admits it too.
 */
static __noinline int client_limit_admits(const struct tg_config *cfg,
					       const struct packet *packet,
					       const struct tg_vip *vip, __u64 now_ns, int count)
{
	struct client_buckets buckets;
	__u64 one, other, share, next;

	buckets = client_buckets_of(cfg, packet, vip->server);
	if (!buckets.one || !buckets.other)
		return 0;
	share = rate_share(vip->client_new_flows_per_s);
	one = READ_ONCE(*buckets.one);
	other = READ_ONCE(*buckets.other);
	if (!count)
		return !rate_is_over(one, now_ns, share, LIMIT_BURST_NS) ||
		       !rate_is_over(other, now_ns, share, LIMIT_BURST_NS);
	/* The lower is nearer to the truth; neither is raised above what that makes it. */
	next = rate_add((__s64)(one - other) < 0 ? one : other, now_ns, share);
	if ((__s64)(next - one) > 0)
		__sync_val_compare_and_swap(buckets.one, one, next);
	if ((__s64)(next - other) > 0)
		__sync_val_compare_and_swap(buckets.other, other, next);
	return 1;
}

#endif
