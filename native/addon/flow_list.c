/*
 * Looks through the flow table for what somebody asks about, off the event loop: counts by state, and
 * the first so many entries as they are. Changes nothing.
 */
#include "flow_table.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "address.h"

#define STATES 8 /* enum tg_flow_state, with room */

struct flow_search {
	struct address vip, backend, client, client_mask;
	bool has_vip, has_backend, has_client;
	__u32 vip_port, backend_port, protocol, state; /* 0: any */
	bool has_idle;
	__u32 idle_more_than;
};

struct list_work {
	struct flow_work job;
	struct flow_table table;
	struct flow_search search;
	/* Results. */
	struct tg_flow *found;
	__u32 limit, found_count;
	__u32 counts[STATES];
};

static bool ends_match(const struct list_work *work, const struct tg_flow *entry)
{
	const struct flow_search *search = &work->search;
	const struct tg_backend *backend;
	const struct tg_server *server;

	if (!search->has_vip && !search->has_backend)
		return true;
	if (entry->backend >= work->table.backend_count)
		return false;
	backend = &work->table.backends[entry->backend];
	if (search->has_backend &&
	    (!address_equal(address_from_bytes(backend->addr), search->backend) ||
	     (search->backend_port && be16toh(backend->port) != search->backend_port)))
		return false;
	if (!search->has_vip)
		return true;
	if (backend->server >= work->table.server_count)
		return false;
	server = &work->table.servers[backend->server];
	return address_equal(address_from_bytes(server->addr), search->vip) &&
	       (!search->vip_port || be16toh(server->port) == search->vip_port);
}

static bool client_matches(const struct flow_search *search, const struct tg_flow *entry)
{
	struct address client = address_from_bytes(entry->client);

	if (!search->has_client)
		return true;
	/* IPv4 stands within IPv6 here, but is not meant by ::/0. */
	if (address_is_ipv4(client) != address_is_ipv4(search->client))
		return false;
	return !((client.first ^ search->client.first) & search->client_mask.first) &&
	       !((client.last ^ search->client.last) & search->client_mask.last);
}

static bool matches(const struct list_work *work, const struct tg_flow *entry, __u32 now_s)
{
	const struct flow_search *search = &work->search;

	if (search->protocol && entry->proto != search->protocol)
		return false;
	if (search->state && entry->state != search->state)
		return false;
	if (search->has_idle && (__s32)(now_s - entry->last_s) <= (__s32)search->idle_more_than)
		return false;
	return client_matches(search, entry) && ends_match(work, entry);
}

/* An entry that becomes another's while it is copied is nobody's to tell. */
static void entry_look(struct list_work *work, const struct tg_flow *entry, __u32 now_s)
{
	union tg_flow_word word = flow_word_read(entry);
	struct tg_flow copy;

	if (!flow_is_live(word))
		return;
	memcpy(&copy, entry, sizeof(copy));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (flow_word_read(entry).tag != word.tag || copy.tag != word.tag ||
	    copy.state >= STATES || !matches(work, &copy, now_s))
		return;
	work->counts[copy.state]++;
	if (work->found_count < work->limit)
		work->found[work->found_count++] = copy;
}

static void list_execute(napi_env env, void *data)
{
	struct list_work *work = data;
	struct timespec now;

	(void)env;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* the program's clock */
	for (__u32 i = 0; i < work->table.flow_count; i++)
		entry_look(work, &work->table.flows[i], (__u32)now.tv_sec);
}

static void work_free(struct list_work *work)
{
	free(work->found);
	free(work);
}

static napi_value counts_array(napi_env env, const __u32 *counts)
{
	napi_value buffer, array;
	void *data;

	if (napi_create_arraybuffer(env, STATES * sizeof(*counts), &data, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint32_array, STATES, buffer, 0, &array) != napi_ok)
		return NULL;
	memcpy(data, counts, STATES * sizeof(*counts));
	return array;
}

static void list_complete(napi_env env, napi_status status, void *data)
{
	struct list_work *work = data;
	size_t size = work->found_count * sizeof(*work->found);
	napi_value result, entries;
	void *copy;

	(void)status;
	napi_create_object(env, &result);
	napi_set_named_property(env, result, "counts", counts_array(env, work->counts));
	entries = new_bytes(env, size, &copy);
	if (entries) {
		if (size)
			memcpy(copy, work->found, size);
		napi_set_named_property(env, result, "entries", entries);
	}
	flow_work_end(env, &work->job, result);
	work_free(work);
}

static bool is_given(napi_env env, napi_value value)
{
	napi_valuetype type = napi_undefined;

	napi_typeof(env, value, &type);
	return type != napi_undefined;
}

/* Each returns false with an exception pending. What is not given stays zero. */
static bool read_number(napi_env env, napi_value options, const char *name, __u32 *number)
{
	napi_value value = property(env, options, name);

	return !is_given(env, value) || value_u32(env, value, name, number);
}

static bool read_address(napi_env env, napi_value options, const char *name,
			 struct address *address, bool *given)
{
	napi_value value = property(env, options, name);
	size_t size;
	void *data;

	*given = is_given(env, value);
	if (!*given)
		return true;
	if (!value_bytes(env, value, name, sizeof(*address), &data, &size))
		return false;
	memcpy(address, data, sizeof(*address));
	return true;
}

static bool search_read(napi_env env, napi_value options, struct list_work *work)
{
	struct flow_search *search = &work->search;
	bool given;

	search->has_idle = is_given(env, property(env, options, "idleMoreThan"));
	return read_address(env, options, "vip", &search->vip, &search->has_vip) &&
	       read_address(env, options, "backend", &search->backend, &search->has_backend) &&
	       read_address(env, options, "client", &search->client, &search->has_client) &&
	       read_address(env, options, "clientMask", &search->client_mask, &given) &&
	       read_number(env, options, "vipPort", &search->vip_port) &&
	       read_number(env, options, "backendPort", &search->backend_port) &&
	       read_number(env, options, "protocol", &search->protocol) &&
	       read_number(env, options, "state", &search->state) &&
	       read_number(env, options, "idleMoreThan", &search->idle_more_than) &&
	       read_number(env, options, "limit", &work->limit);
}

napi_value flows_list(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct object_handle *handle;
	struct list_work *work;
	size_t argc = 2;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return NULL;
	handle = object_unwrap(env, argv[0]);
	if (!handle)
		return NULL;
	work = calloc(1, sizeof(*work));
	if (!work)
		return bpf_error_throw(env, ENOMEM, "Cannot list flows");
	if (!search_read(env, argv[1], work) || !flow_table_open(env, handle, &work->table)) {
		work_free(work);
		return NULL;
	}
	if (work->limit > work->table.flow_count)
		work->limit = work->table.flow_count;
	work->found = calloc(work->limit ? work->limit : 1, sizeof(*work->found));
	if (!work->found) {
		work_free(work);
		return bpf_error_throw(env, ENOMEM, "Cannot list flows");
	}
	return flow_work_begin(env, argv[0], handle, &work->job, "listFlows", list_execute, list_complete,
			       work);
}
