/*
 * The sweeper: frees expired flows and counts the live ones, in the flow table's shared memory, off
 * the event loop. It keeps to the protocol that xdp/flow.h states; packets run meanwhile.
 *
 * Its claims carry the tag TG_FLOW_SWEPT, so that a sweep cut short by the process's death is
 * finished by the next one; there is one sweeper at a time.
 */
#include "bpf.h"
#include "reverse_slot.h"

#include <bpf/bpf.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define WORD_STRIDE 8 /* an array map pads its values to 8 bytes */

struct sweep_work {
	napi_async_work work;
	napi_deferred deferred;
	napi_ref object;
	struct object_handle *handle;
	struct tg_config config;
	__u32 flow_count, reverse_count, server_count, backend_count;
	/* Results. */
	__u32 live, expired;
	__u32 *by_server, *by_backend;
	__u32 *open_by_backend; /* without those that are closing */
	__u32 by_nat_address[TG_NAT_ADDRESSES_MAX];
};

static __u64 *entry_word(struct tg_flow *entry)
{
	return (__u64 *)entry;
}

static __u32 timeout_of(const struct tg_config *config, __u8 state)
{
	switch (state) {
	case TG_FLOW_HALF_OPEN:
		return config->tcp_half_open_s;
	case TG_FLOW_ESTABLISHED:
		return config->tcp_established_s;
	case TG_FLOW_CLOSING:
		return config->tcp_closing_s;
	case TG_FLOW_UDP:
		return config->udp_s;
	default:
		return config->udp_stream_s;
	}
}

/* Gives back the NAT port and the entry. Only for an entry that the sweeper has claimed. */
static void entry_free(const struct sweep_work *work, struct tg_flow *entry, __u32 index,
		       union tg_flow_word word)
{
	const struct tg_nat_address *nat = work->handle->nat_addresses.memory;
	const struct tg_backend *record = work->handle->backends.memory;
	__u32 base, slot, owner = index + 1;
	char *slots = work->handle->reverse.memory;

	if (entry->backend < work->backend_count) {
		record += entry->backend;
		base = reverse_base(work->config.hash_seed, address_from_bytes(record->addr),
				    record->port, word.proto,
				    address_from_bytes(nat[word.nat].addr));
		slot = reverse_slot(base, be16toh(entry->nat_port), work->reverse_count - 1);
		__atomic_compare_exchange_n((__u32 *)(slots + (size_t)slot * WORD_STRIDE), &owner,
					    0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(entry_word(entry), 0, __ATOMIC_SEQ_CST);
}

static void entry_count(struct sweep_work *work, const struct tg_flow *entry,
			union tg_flow_word word)
{
	__u32 backend = __atomic_load_n(&entry->backend, __ATOMIC_RELAXED);

	work->live++;
	work->by_nat_address[word.nat]++;
	if (backend >= work->backend_count)
		return;
	work->by_backend[backend]++;
	if (word.state != TG_FLOW_CLOSING)
		work->open_by_backend[backend]++;
}

static void entry_sweep(struct sweep_work *work, struct tg_flow *entry, __u32 index, __u32 now_s)
{
	union tg_flow_word word, swept;
	__s32 age;

	word.raw = __atomic_load_n(entry_word(entry), __ATOMIC_ACQUIRE);
	if (word.tag == TG_FLOW_SWEPT) {
		entry_free(work, entry, index, word);
		work->expired++;
		return;
	}
	if (word.tag == TG_FLOW_FREE || word.state == TG_FLOW_CLAIMED)
		return;
	swept = word;
	swept.tag = TG_FLOW_SWEPT;
	swept.state = TG_FLOW_CLAIMED;
	/* A packet may be ahead of this sweep's clock: a negative age is not expired. */
	age = (__s32)(now_s - __atomic_load_n(&entry->last_s, __ATOMIC_RELAXED));
	if (age > (__s32)timeout_of(&work->config, word.state) &&
	    __atomic_compare_exchange_n(entry_word(entry), &word.raw, swept.raw, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		entry_free(work, entry, index, swept);
		work->expired++;
		return;
	}
	entry_count(work, entry, word);
}

/*
 * Sums up by server, and puts right what the program counted for itself. Flows that came or went
 * during the sweep are missed by one sweep at most.
 */
static void backends_settle(struct sweep_work *work)
{
	const struct tg_backend *backends = work->handle->backends.memory;
	char *flows = work->handle->backend_flows.memory;

	for (__u32 i = 0; i < work->backend_count; i++) {
		__u64 *open = (__u64 *)(flows + (size_t)i * WORD_STRIDE);

		if (backends[i].server < work->server_count)
			work->by_server[backends[i].server] += work->by_backend[i];
		if (__atomic_load_n(open, __ATOMIC_RELAXED) != work->open_by_backend[i])
			__atomic_store_n(open, work->open_by_backend[i], __ATOMIC_RELAXED);
	}
}

static void sweep_execute(napi_env env, void *data)
{
	struct sweep_work *work = data;
	struct tg_flow *flows = work->handle->flows.memory;
	struct timespec now;

	(void)env;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* the program's clock */
	for (__u32 i = 0; i < work->flow_count; i++)
		entry_sweep(work, &flows[i], i, (__u32)now.tv_sec);
	backends_settle(work);
}

static void work_free(napi_env env, struct sweep_work *work)
{
	if (work->object)
		napi_delete_reference(env, work->object);
	if (work->work)
		napi_delete_async_work(env, work->work);
	free(work->by_server);
	free(work->by_backend);
	free(work->open_by_backend);
	free(work);
}

static napi_value counts_array(napi_env env, const __u32 *counts, __u32 length)
{
	napi_value buffer, array;
	void *data;

	if (napi_create_arraybuffer(env, length * sizeof(*counts), &data, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint32_array, length, buffer, 0, &array) != napi_ok)
		return NULL;
	memcpy(data, counts, length * sizeof(*counts));
	return array;
}

static void sweep_complete(napi_env env, napi_status status, void *data)
{
	struct sweep_work *work = data;
	napi_value result;

	(void)status;
	napi_create_object(env, &result);
	set_number(env, result, "flows", work->live);
	set_number(env, result, "expired", work->expired);
	napi_set_named_property(env, result, "flowsByServer",
				counts_array(env, work->by_server, work->server_count));
	napi_set_named_property(env, result, "flowsByBackend",
				counts_array(env, work->by_backend, work->backend_count));
	napi_set_named_property(env, result, "flowsByNatAddress",
				counts_array(env, work->by_nat_address, TG_NAT_ADDRESSES_MAX));
	napi_resolve_deferred(env, work->deferred, result);
	object_work_end(work->handle);
	work_free(env, work);
}

static bool mapping_ensure(napi_env env, struct mapping *mapping, const struct map_handle *map)
{
	if (mapping->memory)
		return true;
	mapping->size = map_mapped_size(map);
	mapping->memory =
		mmap(NULL, mapping->size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (mapping->memory != MAP_FAILED)
		return true;
	mapping->memory = NULL;
	bpf_error_throw(env, errno, "Cannot map the memory of map \"%s\"", map->name);
	return false;
}

/* Everything that can fail happens here, on the JavaScript thread. */
static bool sweep_prepare(napi_env env, struct object_handle *handle, struct sweep_work *work)
{
	struct map_handle *config = object_map(handle, "config");
	struct map_handle *flows = object_map(handle, "flows");
	struct map_handle *reverse = object_map(handle, "reverse");
	struct map_handle *servers = object_map(handle, "servers");
	struct map_handle *backends = object_map(handle, "backends");
	struct map_handle *backend_flows = object_map(handle, "backend_flows");
	struct map_handle *nat_addresses = object_map(handle, "nat_addresses");
	__u32 zero = 0;

	if (!config || !flows || !reverse || !servers || !backends || !backend_flows ||
	    !nat_addresses) {
		bpf_error_throw(env, EINVAL, "The object has no flow table");
		return false;
	}
	if (bpf_map_lookup_elem(config->fd, &zero, &work->config)) {
		bpf_error_throw(env, errno, "Cannot read the data plane's settings");
		return false;
	}
	if (!mapping_ensure(env, &handle->flows, flows) ||
	    !mapping_ensure(env, &handle->reverse, reverse) ||
	    !mapping_ensure(env, &handle->backends, backends) ||
	    !mapping_ensure(env, &handle->backend_flows, backend_flows) ||
	    !mapping_ensure(env, &handle->nat_addresses, nat_addresses))
		return false;
	work->handle = handle;
	work->flow_count = flows->max_entries;
	work->reverse_count = reverse->max_entries;
	work->server_count = servers->max_entries;
	work->backend_count = backends->max_entries;
	work->by_server = calloc(work->server_count, sizeof(__u32));
	work->by_backend = calloc(work->backend_count, sizeof(__u32));
	work->open_by_backend = calloc(work->backend_count, sizeof(__u32));
	if (work->by_server && work->by_backend && work->open_by_backend)
		return true;
	bpf_error_throw(env, ENOMEM, "Cannot sweep the flow table");
	return false;
}

napi_value flows_sweep(napi_env env, napi_callback_info info)
{
	napi_value argv[1], promise, name;
	struct object_handle *handle;
	struct sweep_work *work;
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return NULL;
	handle = object_unwrap(env, argv[0]);
	if (!handle)
		return NULL;
	work = calloc(1, sizeof(*work));
	if (!work)
		return bpf_error_throw(env, ENOMEM, "Cannot sweep the flow table");
	if (!sweep_prepare(env, handle, work)) {
		work_free(env, work);
		return NULL;
	}
	object_work_begin(handle);
	napi_create_reference(env, argv[0], 1, &work->object);
	napi_create_promise(env, &work->deferred, &promise);
	napi_create_string_utf8(env, "sweepFlows", NAPI_AUTO_LENGTH, &name);
	napi_create_async_work(env, NULL, name, sweep_execute, sweep_complete, work, &work->work);
	napi_queue_async_work(env, work->work);
	return promise;
}
