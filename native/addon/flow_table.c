/* See flow_table.h. */
#include "flow_table.h"

#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "reverse_slot.h"

static pthread_mutex_t workers = PTHREAD_MUTEX_INITIALIZER;

void flow_table_lock(void)
{
	pthread_mutex_lock(&workers);
}

void flow_table_unlock(void)
{
	pthread_mutex_unlock(&workers);
}

static __u64 *entry_word(struct tg_flow *entry)
{
	return (__u64 *)entry;
}

union tg_flow_word flow_word_read(const struct tg_flow *entry)
{
	return (union tg_flow_word){ .raw = __atomic_load_n((const __u64 *)entry,
							    __ATOMIC_ACQUIRE) };
}

bool flow_is_live(union tg_flow_word word)
{
	return word.tag >= TG_FLOW_TAG_MIN && word.state != TG_FLOW_CLAIMED;
}

bool flow_take(struct tg_flow *entry, union tg_flow_word word)
{
	union tg_flow_word swept = word;

	swept.tag = TG_FLOW_SWEPT;
	swept.state = TG_FLOW_CLAIMED;
	return __atomic_compare_exchange_n(entry_word(entry), &word.raw, swept.raw, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void flow_release(const struct flow_table *table, struct tg_flow *entry, union tg_flow_word word)
{
	__u32 index = (__u32)(entry - table->flows);
	__u32 base, slot, owner = index + 1;
	const struct tg_backend *record;

	if (entry->backend < table->backend_count) {
		record = &table->backends[entry->backend];
		base = reverse_base(table->config.hash_seed, address_from_bytes(record->addr),
				    record->port, word.proto,
				    address_from_bytes(table->nat_addresses[word.nat].addr));
		slot = reverse_slot(base, be16toh(entry->nat_port), table->reverse_count - 1);
		__atomic_compare_exchange_n(
			(__u32 *)(table->reverse + (size_t)slot * MAP_WORD_STRIDE), &owner, 0,
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&table->hints[index], 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(entry_word(entry), 0, __ATOMIC_SEQ_CST);
}

static void *mapping_ensure(napi_env env, struct mapping *mapping, const struct map_handle *map)
{
	if (mapping->memory)
		return mapping->memory;
	mapping->size = map_mapped_size(map);
	mapping->memory =
		mmap(NULL, mapping->size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (mapping->memory != MAP_FAILED)
		return mapping->memory;
	mapping->memory = NULL;
	bpf_error_throw(env, errno, "Cannot map the memory of map \"%s\"", map->name);
	return NULL;
}

bool flow_table_open(napi_env env, struct object_handle *handle, struct flow_table *table)
{
	struct map_handle *config = map_find(handle, "config");
	struct map_handle *flows = map_find(handle, "flows");
	struct map_handle *reverse = map_find(handle, "reverse");
	struct map_handle *servers = map_find(handle, "servers");
	struct map_handle *backends = map_find(handle, "backends");
	struct map_handle *backend_flows = map_find(handle, "backend_flows");
	struct map_handle *hints = map_find(handle, "flow_hints");
	struct map_handle *nat_addresses = map_find(handle, "nat_addresses");
	__u32 zero = 0;

	if (!config || !flows || !reverse || !servers || !backends || !backend_flows ||
	    !nat_addresses || !hints) {
		bpf_error_throw(env, EINVAL, "The object has no flow table");
		return false;
	}
	if (bpf_map_lookup_elem(config->fd, &zero, &table->config)) {
		bpf_error_throw(env, errno, "Cannot read the data plane's settings");
		return false;
	}
	table->flow_count = flows->max_entries;
	table->reverse_count = reverse->max_entries;
	table->server_count = servers->max_entries;
	table->backend_count = backends->max_entries;
	table->flows = mapping_ensure(env, &handle->flows, flows);
	table->reverse = table->flows ? mapping_ensure(env, &handle->reverse, reverse) : NULL;
	table->backends = table->reverse ? mapping_ensure(env, &handle->backends, backends) : NULL;
	table->backend_flows =
		table->backends ? mapping_ensure(env, &handle->backend_flows, backend_flows) : NULL;
	table->nat_addresses =
		table->backend_flows ?
			mapping_ensure(env, &handle->nat_addresses, nat_addresses) :
			NULL;
	table->hints =
		table->nat_addresses ? mapping_ensure(env, &handle->flow_hints, hints) : NULL;
	table->servers = table->hints ? mapping_ensure(env, &handle->servers, servers) : NULL;
	return table->servers != NULL;
}

napi_value flow_work_begin(napi_env env, napi_value object, struct object_handle *handle,
			   struct flow_work *work, const char *name,
			   napi_async_execute_callback execute,
			   napi_async_complete_callback complete, void *data)
{
	napi_value promise, text;

	work->handle = handle;
	object_work_begin(handle);
	napi_create_reference(env, object, 1, &work->object);
	napi_create_promise(env, &work->deferred, &promise);
	napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &text);
	napi_create_async_work(env, NULL, text, execute, complete, data, &work->work);
	napi_queue_async_work(env, work->work);
	return promise;
}

void flow_work_end(napi_env env, struct flow_work *work, napi_value result)
{
	napi_resolve_deferred(env, work->deferred, result);
	object_work_end(work->handle);
	napi_delete_reference(env, work->object);
	napi_delete_async_work(env, work->work);
}
