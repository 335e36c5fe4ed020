/*
 * Fragments that came before their datagram's first one. A program cannot keep packets, so they go
 * to the daemon, who brings them again when the first one was there (native/addon/fragment_hold.c).
 */
#ifndef TIDEGATE_FRAGMENT_HOLD_H
#define TIDEGATE_FRAGMENT_HOLD_H

#include "base/config.h"
#include "fragment/fragment.h"

/* How many this CPU handed over in which second. */
struct hold_budget {
	__u64 second;
	__u64 taken;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hold_budget);
} hold_budget SEC(".maps");

static __always_inline int hold_budget_take(__u64 now_ns)
{
	__u32 zero = 0;
	struct hold_budget *budget = own_map_lookup(&hold_budget, &zero);

	if (!budget)
		return 0;
	if (budget->second != now_ns / NANOSECONDS) {
		budget->second = now_ns / NANOSECONDS;
		budget->taken = 0;
	}
	return budget->taken++ < TG_HELD_PER_S;
}

/*
 * 1 when it was handed over: never a jumbo frame, which could not be sent again, and little in all,
 * as anybody can make such fragments. Needs Linux 5.18.
 */
static __always_inline int fragment_hold(struct xdp_md *ctx, const struct packet *packet)
{
	__u64 now_ns = bpf_ktime_get_ns();
	struct fragment_memory *memory;
	__u64 length; /* in one register, so that the verifier keeps what it is told of it */

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_xdp_load_bytes))
		return 0;
	length = bpf_xdp_get_buff_len(ctx);
	memory = fragment_key(packet);
	if (!memory || length == 0 || length > TG_HELD_FRAME_MAX || !hold_budget_take(now_ns))
		return 0;
#ifndef TG_TRACE /* a traced packet is not to come again */
	struct tg_held_fragment *held;

	held = bpf_ringbuf_reserve(&held_fragments, sizeof(*held), 0);
	if (!held)
		return 0;
	held->key = memory->key;
	held->arrived_ns = now_ns;
	held->ifindex = packet->ingress;
	held->length = length;
	if (bpf_xdp_load_bytes(ctx, 0, held->frame, length)) {
		bpf_ringbuf_discard(held, 0);
		return 0;
	}
	bpf_ringbuf_submit(held, 0);
#endif
	return 1;
}

#endif
