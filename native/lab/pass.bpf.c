/*
 * Passes everything. A veth device hands frames that its peer sends by XDP_TX or XDP_REDIRECT to
 * the stack only while it has a program of its own: this one is for the other ends in tests and
 * demos.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Apache-2.0";
