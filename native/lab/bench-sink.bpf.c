/*
 * Where packets of a benchmark end: counts and drops UDP over IPv4, and passes the rest, so that
 * the host still answers for its addresses.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME); /* the generator reads it */
} sink_packets SEC(".maps");

SEC("xdp")
int sink(struct xdp_md *ctx)
{
	struct ethhdr *ethernet = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(ethernet + 1);
	__u32 zero = 0;
	__u64 *packets;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return XDP_PASS;
	if (ethernet->h_proto != bpf_htons(ETH_P_IP) || ip->protocol != IPPROTO_UDP)
		return XDP_PASS;
	packets = bpf_map_lookup_elem(&sink_packets, &zero);
	if (packets)
		*packets += 1;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Apache-2.0";
