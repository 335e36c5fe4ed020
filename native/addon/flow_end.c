/*
 * Ends the flows of servers whose clients are not on the server's list any more, off the event loop:
 * loadBalancerSourceRanges hold for established flows, too. One pass, however many lists changed.
 */
#include "flow_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_SIZE 32 /* first and last address, in network order */

struct end_rule {
	__u32 server;
	__u32 first, count; /* of `ranges` */
};

struct end_work {
	struct flow_work job;
	struct flow_table table;
	struct end_rule *rules;
	size_t rule_count;
	__u32 *rule_of; /* by server, the rule's index plus one; 0 for none */
	__u8 *ranges;	/* of each rule ascending and disjoint */
	size_t range_count;
	__u32 ended; /* result */
};

static const struct end_rule *rule_for(const struct end_work *work, const struct tg_flow *entry)
{
	__u32 backend = __atomic_load_n(&entry->backend, __ATOMIC_RELAXED), server, rule;

	if (backend >= work->table.backend_count)
		return NULL;
	server = work->table.backends[backend].server;
	rule = server < work->table.server_count ? work->rule_of[server] : 0;
	return rule ? &work->rules[rule - 1] : NULL;
}

/* By bisection: the last range that begins at or before the client must reach it. */
static bool is_allowed(const struct end_work *work, const struct end_rule *rule,
		       const __u8 *client)
{
	const __u8 *ranges = work->ranges + (size_t)rule->first * RANGE_SIZE;
	size_t low = 0, high = rule->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(ranges + middle * RANGE_SIZE, client, 16) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && memcmp(client, ranges + (low - 1) * RANGE_SIZE + 16, 16) <= 0;
}

/* A packet may change the flow's state at that moment, or end it: then it is looked at again. */
static void entry_end(struct end_work *work, struct tg_flow *entry)
{
	union tg_flow_word word;

	do {
		const struct end_rule *rule;
		__u8 client[16];

		word = flow_word_read(entry);
		if (!flow_is_live(word))
			return;
		rule = rule_for(work, entry);
		if (!rule)
			return;
		memcpy(client, entry->client, sizeof(client));
		if (is_allowed(work, rule, client))
			return;
	} while (!flow_take(entry, word));
	flow_release(&work->table, entry, word);
	work->ended++;
}

static void end_execute(napi_env env, void *data)
{
	struct end_work *work = data;

	(void)env;
	flow_table_lock();
	for (__u32 i = 0; i < work->table.flow_count; i++)
		entry_end(work, &work->table.flows[i]);
	flow_table_unlock();
}

static void work_free(struct end_work *work)
{
	free(work->rules);
	free(work->rule_of);
	free(work->ranges);
	free(work);
}

static void end_complete(napi_env env, napi_status status, void *data)
{
	struct end_work *work = data;
	napi_value ended;

	(void)status;
	napi_create_uint32(env, work->ended, &ended);
	flow_work_end(env, &work->job, ended);
	work_free(work);
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

/* Of what is not a server nothing can end; of ranges that are not there nothing is read. */
static bool rules_index(napi_env env, struct end_work *work)
{
	work->rule_of = calloc(work->table.server_count, sizeof(*work->rule_of));
	if (!work->rule_of) {
		bpf_error_throw(env, ENOMEM, "Cannot end flows");
		return false;
	}
	for (size_t i = 0; i < work->rule_count; i++) {
		const struct end_rule *rule = &work->rules[i];

		if (rule->server >= work->table.server_count ||
		    (size_t)rule->first + rule->count > work->range_count) {
			bpf_error_throw(env, EINVAL, "Cannot end flows of server %u",
					rule->server);
			return false;
		}
		work->rule_of[rule->server] = (__u32)i + 1;
	}
	return true;
}

napi_value flows_end(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
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
	if (!copy_bytes(env, argv[1], "The servers", sizeof(struct end_rule),
			(void **)&work->rules, &work->rule_count) ||
	    !copy_bytes(env, argv[2], "The ranges", RANGE_SIZE, (void **)&work->ranges,
			&work->range_count) ||
	    !flow_table_open(env, handle, &work->table) || !rules_index(env, work)) {
		work_free(work);
		return NULL;
	}
	return flow_work_begin(env, argv[0], handle, &work->job, "endFlows", end_execute, end_complete,
			       work);
}
