/* The settings that user space gave. */
#ifndef TIDEGATE_CONFIG_H
#define TIDEGATE_CONFIG_H

#include "base/clock.h"
#include "base/maps.h"

static __always_inline struct tg_config *config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

#endif
