/*
 * The sweeper: frees expired flows and counts the live ones, in the flow table's shared memory, off
 * the event loop.
 */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct sweep_work {
	struct flow_work job;
	struct flow_table table;
	/* Results. */
	__u32 live, expired;
	__u32 *by_server, *by_backend;
	__u32 *open_by_backend; /* without those that are closing */
	__u32 by_nat_address[TG_NAT_ADDRESSES_MAX];
};

static __u32 timeout_of(const struct tg_config *config, __u8 state)
{
	switch (state) {
	case TG_FLOW_HALF_OPEN:
		return config->tcp_half_open_s;
	case TG_FLOW_ESTABLISHED:
		return config->tcp_established_s;
	case TG_FLOW_CLOSING:
		return config->tcp_closing_s;
	case TG_FLOW_TIME_WAIT:
		return config->tcp_time_wait_s;
	case TG_FLOW_UDP:
		return config->udp_s;
	default:
		return config->udp_stream_s;
	}
}

static void entry_count(struct sweep_work *work, const struct tg_flow *entry,
			union tg_flow_word word)
{
	__u32 backend = __atomic_load_n(&entry->backend, __ATOMIC_RELAXED);

	work->live++;
	work->by_nat_address[word.nat]++;
	if (backend >= work->table.backend_count)
		return;
	work->by_backend[backend]++;
	if (word.state != TG_FLOW_CLOSING && word.state != TG_FLOW_TIME_WAIT)
		work->open_by_backend[backend]++;
}

static void entry_sweep(struct sweep_work *work, struct tg_flow *entry, __u32 now_s)
{
	union tg_flow_word word = flow_word_read(entry);
	__s32 age;

	if (word.tag == TG_FLOW_SWEPT) {
		flow_release(&work->table, entry, word);
		work->expired++;
		return;
	}
	if (!flow_is_live(word))
		return;
	/* A packet may be ahead of this sweep's clock: a negative age is not expired. */
	age = (__s32)(now_s - __atomic_load_n(&entry->last_s, __ATOMIC_RELAXED));
	if (age > (__s32)timeout_of(&work->table.config, word.state) && flow_take(entry, word)) {
		flow_release(&work->table, entry, word);
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
	const struct tg_backend *backends = work->table.backends;

	for (__u32 i = 0; i < work->table.backend_count; i++) {
		__u64 *open = (__u64 *)(work->table.backend_flows +
					  (size_t)i * MAP_WORD_STRIDE);

		if (backends[i].server < work->table.server_count)
			work->by_server[backends[i].server] += work->by_backend[i];
		if (__atomic_load_n(open, __ATOMIC_RELAXED) != work->open_by_backend[i])
			__atomic_store_n(open, work->open_by_backend[i], __ATOMIC_RELAXED);
	}
}

static void sweep_execute(napi_env env, void *data)
{
	struct sweep_work *work = data;
	struct timespec now;

	(void)env;
	flow_table_lock();
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* the program's clock */
	for (__u32 i = 0; i < work->table.flow_count; i++)
		entry_sweep(work, &work->table.flows[i], (__u32)now.tv_sec);
	flow_table_unlock();
	backends_settle(work);
}

static void work_free(struct sweep_work *work)
{
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
				counts_array(env, work->by_server, work->table.server_count));
	napi_set_named_property(env, result, "flowsByBackend",
				counts_array(env, work->by_backend, work->table.backend_count));
	napi_set_named_property(env, result, "flowsByNatAddress",
				counts_array(env, work->by_nat_address, TG_NAT_ADDRESSES_MAX));
	flow_work_end(env, &work->job, result);
	work_free(work);
}

/* Everything that can fail happens here, on the JavaScript thread. */
static bool sweep_prepare(napi_env env, struct object_handle *handle, struct sweep_work *work)
{
	if (!flow_table_open(env, handle, &work->table))
		return false;
	work->by_server = calloc(work->table.server_count, sizeof(__u32));
	work->by_backend = calloc(work->table.backend_count, sizeof(__u32));
	work->open_by_backend = calloc(work->table.backend_count, sizeof(__u32));
	if (work->by_server && work->by_backend && work->open_by_backend)
		return true;
	bpf_error_throw(env, ENOMEM, "Cannot sweep the flow table");
	return false;
}

napi_value flows_sweep(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
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
		work_free(work);
		return NULL;
	}
	return flow_work_begin(env, argv[0], handle, &work->job, "sweepFlows", sweep_execute, sweep_complete,
			       work);
}
