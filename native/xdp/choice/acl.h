/* loadBalancerSourceRanges: who may use a VIP. */
#ifndef TIDEGATE_ACL_H
#define TIDEGATE_ACL_H

#include "base/maps.h"
#include "packet/packet.h"

/*
 * Asked for new flows only: when a list changes, user space ends the flows it no longer admits. The
 * cost grows with the prefixes' depth, not with their number.
 */
static APART int acl_admits(const struct packet *packet, const struct tg_vip *vip)
{
	struct tg_acl_key key = { .prefix_length = 32 + 128, .acl = vip->acl };
	int admitted;

	if (!vip->acl)
		return 1;
	__builtin_memcpy(key.addr, &packet->src, sizeof(key.addr));
	admitted = bpf_map_lookup_elem(&acl, &key) != NULL;
	TRACE(source_range, vip->acl, admitted);
	return admitted;
}

#endif
