/*
 * Ends the flows of some servers whose clients are not on a list any more, off the event loop:
 * loadBalancerSourceRanges hold for established flows, too.
 */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_SIZE 32 /* first and last address, in network order */

struct end_work {
	napi_async_work work;
	napi_deferred deferred;
	napi_ref object;
	struct object_handle *handle;
	struct flow_table table;
	__u32 *servers;
	size_t server_count;
	__u8 *ranges; /* ascending and disjoint */
	size_t range_count;
	__u32 ended; /* result */
};

static bool concerns(const struct end_work *work, const struct tg_flow *entry)
{
	__u32 backend = __atomic_load_n(&entry->backend, __ATOMIC_RELAXED);

	if (backend >= work->table.backend_count)
		return false;
	for (size_t i = 0; i < work->server_count; i++)
		if (work->table.backends[backend].server == work->servers[i])
			return true;
	return false;
}

/* By bisection: the last range that begins at or before the client must reach it. */
static bool is_allowed(const struct end_work *work, const __u8 *client)
{
	size_t low = 0, high = work->range_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(work->ranges + middle * RANGE_SIZE, client, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && memcmp(client, work->ranges + (low - 1) * RANGE_SIZE + 16, 16) <= 0;
}

static void end_execute(napi_env env, void *data)
{
	struct end_work *work = data;

	(void)env;
	for (__u32 i = 0; i < work->table.flow_count; i++) {
		struct tg_flow *entry = &work->table.flows[i];
		union tg_flow_word word = flow_word_read(entry);
		__u8 client[16];

		if (!flow_is_live(word) || !concerns(work, entry))
			continue;
		memcpy(client, entry->client, sizeof(client));
		/* Somebody else's by now: flow_take() notices. */
		if (is_allowed(work, client) || !flow_take(entry, word))
			continue;
		flow_release(&work->table, entry, word);
		work->ended++;
	}
}

static void work_free(napi_env env, struct end_work *work)
{
	if (work->object)
		napi_delete_reference(env, work->object);
	if (work->work)
		napi_delete_async_work(env, work->work);
	free(work->servers);
	free(work->ranges);
	free(work);
}

static void end_complete(napi_env env, napi_status status, void *data)
{
	struct end_work *work = data;
	napi_value ended;

	(void)status;
	napi_create_uint32(env, work->ended, &ended);
	napi_resolve_deferred(env, work->deferred, ended);
	object_work_end(work->handle);
	work_free(env, work);
}

/* A copy of a typed array's bytes: JavaScript may change its own meanwhile. */
static bool copy_bytes(napi_env env, napi_value value, const char *what, size_t unit, void **copy,
		       size_t *count)
{
	size_t size;
	void *data;

	if (!value_bytes(env, value, what, 0, &data, &size))
		return false;
	*count = size / unit;
	*copy = malloc(size ? size : 1);
	if (!*copy) {
		bpf_error_throw(env, ENOMEM, "Cannot end flows");
		return false;
	}
	memcpy(*copy, data, size);
	return true;
}

napi_value flows_end(napi_env env, napi_callback_info info)
{
	napi_value argv[3], promise, name;
	struct object_handle *handle;
	struct end_work *work;
	size_t argc = 3;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return NULL;
	handle = object_unwrap(env, argv[0]);
	if (!handle)
		return NULL;
	work = calloc(1, sizeof(*work));
	if (!work)
		return bpf_error_throw(env, ENOMEM, "Cannot end flows");
	work->handle = handle;
	if (!copy_bytes(env, argv[1], "The servers", sizeof(__u32), (void **)&work->servers,
			&work->server_count) ||
	    !copy_bytes(env, argv[2], "The ranges", RANGE_SIZE, (void **)&work->ranges,
			&work->range_count) ||
	    !flow_table_open(env, handle, &work->table)) {
		work_free(env, work);
		return NULL;
	}
	object_work_begin(handle);
	napi_create_reference(env, argv[0], 1, &work->object);
	napi_create_promise(env, &work->deferred, &promise);
	napi_create_string_utf8(env, "endFlows", NAPI_AUTO_LENGTH, &name);
	napi_create_async_work(env, NULL, name, end_execute, end_complete, work, &work->work);
	napi_queue_async_work(env, work->work);
	return promise;
}
