/*
 * The flow table in this process's memory, for what works on it off the event loop while packets
 * run: it keeps to the protocol that xdp/flow/flow.h states.
 */
#ifndef TIDEGATE_ADDON_FLOW_TABLE_H
#define TIDEGATE_ADDON_FLOW_TABLE_H

#include "bpf.h"

#define MAP_WORD_STRIDE 8 /* an array map pads its values to 8 bytes */

struct flow_table {
	struct tg_config config;
	struct tg_flow *flows;
	__u8 *hints; /* by flow */
	char *reverse;
	const struct tg_server *servers;
	const struct tg_backend *backends;
	const struct tg_nat_address *nat_addresses;
	char *backend_flows;
	__u32 flow_count, reverse_count, server_count, backend_count;
};

/* What works on the table on another thread, begun and ended on JavaScript's. */
struct flow_work {
	napi_async_work work;
	napi_deferred deferred;
	napi_ref object; /* kept from being collected meanwhile */
	struct object_handle *handle;
};

/* Queues `execute`; `complete` must call flow_work_end(). Returns the promise. */
napi_value flow_work_begin(napi_env env, napi_value object, struct object_handle *handle,
			   struct flow_work *work, const char *name,
			   napi_async_execute_callback execute,
			   napi_async_complete_callback complete, void *data);
/* Resolves the promise and lets go of the object; what else the work holds is the caller's. */
void flow_work_end(napi_env env, struct flow_work *work, napi_value result);

/* Everything that can fail happens here, on the JavaScript thread; false: an exception is pending. */
bool flow_table_open(napi_env env, struct object_handle *handle, struct flow_table *table);

/*
 * Whoever takes entries away holds this meanwhile: an entry of another's, taken but not released yet,
 * would look like one that a death left behind.
 */
void flow_table_lock(void);
void flow_table_unlock(void);

union tg_flow_word flow_word_read(const struct tg_flow *entry);
/* Somebody's flow, and nobody is working on it. */
bool flow_is_live(union tg_flow_word word);
/*
 * Takes an entry that was read as `word` away from its flow; false when that changed meanwhile. Its
 * tag says TG_FLOW_SWEPT then, so that what a death cuts short is finished by the next sweep.
 */
bool flow_take(struct tg_flow *entry, union tg_flow_word word);
/* Gives back the NAT port and the entry. Only for an entry that was taken. */
void flow_release(const struct flow_table *table, struct tg_flow *entry, union tg_flow_word word);

#endif
