/*
 * Makes UDP and TCP packets for benchmarks and floods: each run writes the frame anew, with another
 * client address, and sends it out by the interface it came from (live frames of BPF_PROG_TEST_RUN
 * come back without being restored).
 */
#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "base/checksum.h"

/* The smallest Ethernet frame, without its checksum. */
#define FRAME_WORDS 15
#define CHECKSUM_AT 24
#define SOURCE_AT 26
#define PROTOCOL_AT 23
#define TCP_CHECKSUM_AT 50

struct generate {
	__u32 clients_mask; /* clients - 1, a power of two less one */
	__u32 step;	    /* odd: the order in which clients come */
	__u32 frame[FRAME_WORDS]; /* Ethernet, IPv4 without options, TCP or UDP without checksum */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct generate);
} generate_stream SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} generate_position SEC(".maps");

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct generate *stream = bpf_map_lookup_elem(&generate_stream, &zero);
	__u32 *position = bpf_map_lookup_elem(&generate_position, &zero);
	__u32 *frame = (void *)(long)ctx->data;
	__u8 *bytes = (__u8 *)frame;
	__u32 before, after, client;
	__u16 *checksum;

	if (!stream || !position || (void *)(frame + FRAME_WORDS) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (__u32 i = 0; i < FRAME_WORDS; i++)
		frame[i] = stream->frame[i];
	client = (*position * stream->step) & stream->clients_mask;
	*position += 1;
	__builtin_memcpy(&before, bytes + SOURCE_AT, sizeof(before));
	after = bpf_htonl(bpf_ntohl(before) + client);
	__builtin_memcpy(bytes + SOURCE_AT, &after, sizeof(after));
	checksum = (__u16 *)(bytes + CHECKSUM_AT);
	*checksum = checksum_apply(*checksum, checksum_change(0, before, after));
	if (bytes[PROTOCOL_AT] == IPPROTO_TCP) {
		checksum = (__u16 *)(bytes + TCP_CHECKSUM_AT);
		*checksum = checksum_apply(*checksum, checksum_change(0, before, after));
	}
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Apache-2.0";
