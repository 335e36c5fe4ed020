/*
 * `tidegate capture`: copies of a VIP's packets, as they came and as they left, to user space. Costs
 * two tests of a field while nobody asks; what the reader cannot take is lost and counted there.
 */
#ifndef TIDEGATE_CAPTURE_H
#define TIDEGATE_CAPTURE_H

#include "base/config.h"
#include "base/maps.h"
#include "packet/packet.h"

#ifdef TG_TRACE

#define CAPTURE_IN(...) ((void)0)
#define CAPTURE_OUT(...) ((void)0)

#else

#define CAPTURE_IN(cfg, ctx, packet, kind) ((cfg)->capture ? capture_in(ctx, packet, kind) : 0)
#define CAPTURE_OUT(cfg, ctx, verdict) ((cfg)->capture ? capture_out(ctx, verdict) : 0)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_capture);
} capture_filter SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TG_CAPTURE_RING_BYTES);
} captured_packets SEC(".maps");

struct capture_memory {
	__u64 id; /* of the packet at hand when it is captured, else 0 */
	struct flow flow;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_memory);
} capture_memory SEC(".maps");

/* The ring is full. */
static __always_inline void count_capture_lost(void)
{
	__u32 zero = 0;
	struct tg_capture *filter = bpf_map_lookup_elem(&capture_filter, &zero);

	if (filter)
		__sync_fetch_and_add(&filter->lost, 1);
}

static __always_inline struct capture_memory *capture_memory_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_memory, &zero);
}

static __always_inline struct tg_capture *capture_filter_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_filter, &zero);
}

/* Whole connections or none of them: both directions know the client. */
static __always_inline int capture_takes_client(const struct tg_capture *filter,
						struct address client, __be16 port, int has_port)
{
	const __u64 *wanted = (const __u64 *)filter->client, *mask = (const __u64 *)filter->mask;
	struct hash hash = hash_start(HASH_PUBLIC_SEED);

	if (((client.first ^ wanted[0]) & mask[0]) || ((client.last ^ wanted[1]) & mask[1]))
		return 0;
	if (filter->sample <= 1)
		return 1;
	hash_add_address(&hash, client);
	hash_add(&hash, has_port ? port : 0);
	return (__u32)hash_finish(hash) % filter->sample == 0;
}

static __always_inline int capture_takes_vip(const struct tg_capture *filter, struct address vip,
					     __be16 port, int has_port)
{
	return address_equal(vip, address_from_bytes(filter->vip)) &&
	       (!filter->port || !has_port || port == filter->port);
}

static __always_inline int capture_takes(const struct tg_capture *filter,
					 const struct packet *packet, int has_ports,
					 struct flow *flow)
{
	struct tg_config *cfg = config_get();
	struct tg_server *server;
	struct tg_flow *entry;

	if (capture_takes_vip(filter, packet->dst, packet->dst_port, has_ports))
		return capture_takes_client(filter, packet->src, packet->src_port, has_ports);
	if (!has_ports || !cfg)
		return 0;
	entry = flow_find_reverse(packet, cfg, flow);
	server = bpf_map_lookup_elem(&servers, &flow->server);
	return entry && server &&
	       capture_takes_vip(filter, address_from_bytes(server->addr), server->port, 1) &&
	       capture_takes_client(filter, address_from_bytes(entry->client), entry->client_port,
				    1);
}

static __always_inline void captured_describe(struct tg_captured *record, struct xdp_md *ctx,
					      __u64 id, __u32 is_out, __u32 verdict, __u32 length)
{
	record->time_ns = bpf_ktime_get_ns();
	record->id = id;
	record->ifindex = ctx->ingress_ifindex;
	record->length = length;
	record->captured = 0;
	record->is_out = is_out;
	record->verdict = verdict;
	record->pad = 0;
}

/* A record of a size that is known, as the ring wants it; `length` is not 0. */
static __always_inline void capture_large(struct xdp_md *ctx, __u64 id, __u32 is_out,
					  __u32 verdict, __u32 whole, __u64 length)
{
	struct tg_captured_large *record =
		bpf_ringbuf_reserve(&captured_packets, sizeof(*record), 0);

	if (!record)
		return count_capture_lost();
	captured_describe(&record->about, ctx, id, is_out, verdict, whole);
	if (length && length <= sizeof(record->bytes) &&
	    !bpf_xdp_load_bytes(ctx, 0, record->bytes, length))
		record->about.captured = length;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

static __always_inline void capture_small(struct xdp_md *ctx, __u64 id, __u32 is_out,
					  __u32 verdict, __u32 whole, __u64 length)
{
	struct tg_captured_small *record =
		bpf_ringbuf_reserve(&captured_packets, sizeof(*record), 0);

	if (!record)
		return count_capture_lost();
	captured_describe(&record->about, ctx, id, is_out, verdict, whole);
	if (length && length <= sizeof(record->bytes) &&
	    !bpf_xdp_load_bytes(ctx, 0, record->bytes, length))
		record->about.captured = length;
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
}

/* Needs Linux 5.18; before, user space refuses to capture. */
static __always_inline void capture_copy(struct xdp_md *ctx, const struct tg_capture *filter,
					 __u64 id, __u32 is_out, __u32 verdict)
{
	__u64 whole, length;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes))
		return;
	whole = bpf_xdp_get_buff_len(ctx);
	length = whole < filter->snap_length ? whole : filter->snap_length;
	/* What did not leave is not shown again. */
	if (is_out && verdict != XDP_TX && verdict != XDP_REDIRECT)
		length = 0;
	if (length <= TG_CAPTURE_SMALL)
		capture_small(ctx, id, is_out, verdict, whole, length);
	else
		capture_large(ctx, id, is_out, verdict, whole, length);
}

/* The packet as it came. Global functions, as they are rare: the verifier looks at each once. */
__noinline int capture_in(struct xdp_md *ctx, const struct packet *packet, __u32 kind)
{
	struct capture_memory *memory = capture_memory_get();
	struct tg_capture *filter = capture_filter_get();

	if (!packet || !memory || !filter)
		return 0;
	memory->id = 0;
	if (kind == PACKET_FOREIGN ||
	    !capture_takes(filter, packet, kind == PACKET_TRANSPORT, &memory->flow))
		return 0;
	memory->id = bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 0xff);
	capture_copy(ctx, filter, memory->id, 0, 0);
	return 0;
}

/* And as it leaves, with the verdict. */
__noinline int capture_out(struct xdp_md *ctx, __u32 verdict)
{
	struct capture_memory *memory = capture_memory_get();
	struct tg_capture *filter = capture_filter_get();

	if (!memory || !filter || !memory->id)
		return 0;
	capture_copy(ctx, filter, memory->id, 1, verdict);
	memory->id = 0;
	return 0;
}

#endif

#endif
