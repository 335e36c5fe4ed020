/*
 * Runs another program over a stream of packets, for benchmarks and stress tests: BPF_PROG_TEST_RUN
 * repeats on one buffer, which a program that rewrites packets leaves changed. So each repetition
 * first puts the template back, with another client, and then hands over by a tail call.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define FRAME_MAX 128

/*
 * Which packets: `length` bytes of `frame`, the 32-bit word at `vary_at` plus a number below
 * `clients`.
 */
struct replay {
	__u32 length;
	__u32 vary_at;      /* multiple of 2, at most FRAME_MAX - 4; 0: always the same packet */
	__u32 clients_mask; /* clients - 1, a power of two less one */
	__u32 step;         /* odd: the order in which clients come */
	__u8 frame[FRAME_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct replay);
} replay_stream SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} replay_position SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} replay_target SEC(".maps");

SEC("xdp.frags")
int replay(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct replay *stream = bpf_map_lookup_elem(&replay_stream, &zero);
	__u32 *position = bpf_map_lookup_elem(&replay_position, &zero);
	__u16 *frame = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 client, at;

	if (!stream || !position)
		return XDP_ABORTED;
	for (__u32 i = 0; i < FRAME_MAX / 2; i++) {
		if ((void *)(frame + i + 1) > end)
			break;
		frame[i] = ((__u16 *)stream->frame)[i];
	}
	at = stream->vary_at;
	if (at && at <= FRAME_MAX - 4) {
		__u8 *word = (__u8 *)frame + at;

		if ((void *)(word + 4) > end)
			return XDP_ABORTED;
		client = (*position * stream->step) & stream->clients_mask;
		*position += 1;
		*(__u32 *)word += __builtin_bswap32(client);
	}
	bpf_tail_call(ctx, &replay_target, 0);
	return XDP_PASS; /* no target: the cost of the replay itself */
}

char LICENSE[] SEC("license") = "Apache-2.0";
