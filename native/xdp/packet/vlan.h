/*
 * IEEE 802.1Q tags, one or two (802.1ad's outer 0x88a8, or 0x8100 twice as older switches stack
 * them). Three and more are the kernel's.
 *
 * A VLAN is kept as tg_flow and tg_backend have it: its number and which of the two types its tag
 * has. A tag of VLAN 0 says only a priority (802.1Q, 6.9): it is read over, and not sent on.
 */
#ifndef TIDEGATE_VLAN_H
#define TIDEGATE_VLAN_H

#include "packet/packet.h"

/* Priority and drop eligible indicator: a packet keeps them when its VLAN changes. */
#define TCI_PRIORITY 0xf000

struct vlan_tag {
	__be16 tci;
	__be16 type; /* of what follows */
};

static __always_inline int is_tag_type(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD);
}

static __always_inline __u32 vlan_add(__u32 vlans, __be16 type, __be16 tci)
{
	__u32 vlan = tci & bpf_htons(TG_VLAN_ID);

	if (!vlan)
		return vlans;
	if (type == bpf_htons(ETH_P_8021AD))
		vlan |= bpf_htons(TG_VLAN_8021AD);
	return vlans ? vlans | vlan << 16 : vlan;
}

static __always_inline __u32 vlans_of(__be16 vlan, __be16 inner_vlan)
{
	return vlan | (__u32)inner_vlan << 16;
}

/* Reads up to two tags; sets where the IP header is. The type behind them; 0: cut short. */
static __always_inline __be16 read_tags(struct xdp_md *ctx, struct packet *packet)
{
	struct frame frame = frame_of(ctx);
	struct ethhdr *eth = frame.start;
	struct vlan_tag *tag = (void *)(eth + 1);
	__u32 vlans = 0, tags;
	__be16 type;

	if ((void *)(eth + 1) > frame.end)
		return 0;
	type = eth->h_proto;
#pragma clang loop unroll(full)
	for (tags = 0; tags < TAGS_MAX; tags++) {
		if (!is_tag_type(type))
			break;
		if ((void *)(tag + 1) > frame.end)
			return 0;
		packet->tci[tags] = tag->tci;
		vlans = vlan_add(vlans, type, tag->tci);
		type = tag->type;
		tag++;
	}
	packet->tags = tags;
	packet->vlans = vlans;
	packet->l3_at = sizeof(struct ethhdr) + tags * sizeof(struct vlan_tag);
	return type;
}

static __always_inline __u32 vlans_count(__u32 vlans)
{
	return !vlans ? 0 : vlans >> 16 ? 2 : 1;
}

/*
 * Writes a tag's type and itself. Its priority is the packet's: without tags it has none, and when
 * one becomes two both get that one's.
 */
static __always_inline void write_tag(__be16 *words, __be16 vlan, const struct packet *packet,
				      __u32 position)
{
	__be16 tci = 0;

	if (packet->tags)
		tci = packet->tci[position && packet->tags > 1];
	words[0] = vlan & bpf_htons(TG_VLAN_8021AD) ? bpf_htons(ETH_P_8021AD)
						    : bpf_htons(ETH_P_8021Q);
	words[1] = (vlan & bpf_htons(TG_VLAN_ID)) | (tci & bpf_htons(TCI_PRIORITY));
}

/*
 * Gives the packet the tags of these VLANs, growing or shrinking the frame at its front when there
 * are more or fewer than it has. The MACs must be written anew after it. 0: no room in front, and
 * nothing was changed.
 */
static __always_inline int write_tags(struct xdp_md *ctx, struct packet *packet, __u32 vlans)
{
	__u32 count = vlans_count(vlans);
	int more = (int)count - (int)(packet->tags & 3);
	struct frame frame;
	__be16 *words;

	if (more && bpf_xdp_adjust_head(ctx, -more * (int)sizeof(struct vlan_tag)))
		return 0;
	packet->l3_at += more * (int)sizeof(struct vlan_tag);
	packet->transport_at += more * (int)sizeof(struct vlan_tag);
	packet->fragment_at += more * (int)sizeof(struct vlan_tag);
	frame = frame_of(ctx);
	words = frame.start + 2 * ETH_ALEN;
	if ((void *)(words + 1 + 2 * TAGS_MAX) > frame.end)
		return 0;
	if (count > 0) {
		write_tag(words, vlans, packet, 0);
		words += 2;
	}
	if (count > 1) {
		write_tag(words, vlans >> 16, packet, 1);
		words += 2;
	}
	*words = packet->is_ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	return 1;
}

#endif
