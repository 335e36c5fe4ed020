/* Attaching a program to interfaces, and running packets through it without any. */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Room for what a program may put in front of a packet or behind it. */
#define TEST_RUN_ROOM 256

static bool mode_flags(napi_env env, napi_value value, __u32 *flags)
{
	char mode[16];

	if (!value_string(env, value, "The mode", mode, sizeof(mode)))
		return false;
	*flags = strcmp(mode, "native") == 0	? XDP_FLAGS_DRV_MODE
		 : strcmp(mode, "generic") == 0 ? XDP_FLAGS_SKB_MODE
						: 0;
	if (*flags)
		return true;
	bpf_error_throw(env, EINVAL, "The mode is \"%s\" and must be native or generic", mode);
	return false;
}

/* True when the link still holds this interface in this mode. */
static bool link_holds(int link, __u32 ifindex, __u32 flags)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size) || info.type != BPF_LINK_TYPE_XDP ||
	    info.xdp.ifindex != ifindex || bpf_xdp_query((int)ifindex, 0, &query))
		return false;
	return flags == XDP_FLAGS_DRV_MODE ? query.drv_prog_id != 0 : query.skb_prog_id != 0;
}

/*
 * Puts this program in place of the pinned link's, at once; false when there is no such link to
 * keep.
 */
static bool link_take_over(int program, __u32 ifindex, __u32 flags, const char *pin, int *error)
{
	int link = bpf_obj_get(pin);
	bool kept = false;

	*error = 0;
	if (link < 0) {
		if (errno != ENOENT)
			*error = errno;
		return false;
	}
	if (link_holds(link, ifindex, flags)) {
		kept = bpf_link_update(link, program, NULL) == 0;
		if (!kept)
			*error = errno;
	} else if (unlink(pin)) { /* interface gone or mode changed: closing detaches it */
		*error = errno;
	}
	close(link);
	return kept;
}

static int link_create(int program, __u32 ifindex, __u32 flags, const char *pin)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int error, link;

	error = pin_make_parent(pin);
	if (error)
		return error;
	link = bpf_link_create(program, (int)ifindex, BPF_XDP, &options);
	if (link < 0) /* EEXIST: somebody's program in the other mode */
		return errno == EEXIST ? EBUSY : errno;
	error = bpf_obj_pin(link, pin) ? errno : 0;
	close(link);
	return error;
}

napi_value program_attach(napi_env env, napi_callback_info info)
{
	char pin[BPF_PATH_MAX];
	__u32 ifindex, flags;
	napi_value argv[3];
	struct object_handle *handle = object_this(env, info, 3, argv);
	int error, program;

	if (!handle || !value_u32(env, argv[0], "The ifindex", &ifindex) ||
	    !mode_flags(env, argv[1], &flags) ||
	    !value_string(env, argv[2], "The pin", pin, sizeof(pin)))
		return NULL;
	program = bpf_program__fd(handle->program);
	if (link_take_over(program, ifindex, flags, pin, &error))
		return NULL;
	if (!error)
		error = link_create(program, ifindex, flags, pin);
	if (error)
		return bpf_error_throw(env, error, "Cannot attach to interface %u in %s mode",
				       ifindex, flags == XDP_FLAGS_DRV_MODE ? "native" : "generic");
	return NULL;
}

int program_run(int program, const struct test_frame *frame, int repeat, void *out,
		size_t out_size, struct bpf_test_run_opts *options)
{
	struct xdp_md context = { .data_end = frame->linear ? frame->linear : (__u32)frame->size,
				  .ingress_ifindex = frame->ifindex };

	options->data_in = frame->bytes;
	options->data_size_in = (__u32)frame->size;
	options->data_out = out;
	options->data_size_out = (__u32)out_size;
	options->repeat = repeat;
	if (frame->ifindex || frame->linear) {
		options->ctx_in = &context;
		options->ctx_size_in = sizeof(context);
	}
	return bpf_prog_test_run_opts(program, options) ? errno : 0;
}

/* `linear` of the options, which few give. */
static bool linear_of(napi_env env, napi_value options, __u32 *linear)
{
	napi_value value = property(env, options, "linear");
	napi_valuetype type;

	*linear = 0;
	return (napi_typeof(env, value, &type) == napi_ok && type == napi_undefined) ||
	       value_u32(env, value, "linear", linear);
}

napi_value program_test_run(napi_env env, napi_callback_info info)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	napi_value argv[2], result, bytes;
	struct object_handle *handle = object_this(env, info, 2, argv);
	struct test_frame frame;
	void *out, *copy;
	int error;

	if (!handle || !value_bytes(env, argv[0], "The packet", 1, &frame.bytes, &frame.size) ||
	    !value_u32(env, property(env, argv[1], "ifindex"), "ifindex", &frame.ifindex) ||
	    !linear_of(env, argv[1], &frame.linear))
		return NULL;
	out = malloc(frame.size + TEST_RUN_ROOM);
	if (!out)
		return bpf_error_throw(env, ENOMEM, "Cannot run a packet");
	error = program_run(bpf_program__fd(handle->program), &frame, 1, out,
			    frame.size + TEST_RUN_ROOM, &options);
	if (error) {
		free(out);
		return bpf_error_throw(env, error, "Cannot run a packet of %zu bytes",
				       frame.size);
	}
	napi_create_object(env, &result);
	set_number(env, result, "verdict", options.retval);
	bytes = new_bytes(env, options.data_size_out, &copy);
	if (bytes) {
		memcpy(copy, out, options.data_size_out);
		napi_set_named_property(env, result, "packet", bytes);
	}
	free(out);
	return result;
}

/* A run of many packets on one CPU, beside the event loop. */
struct repeat_work {
	napi_async_work work;
	napi_deferred deferred;
	napi_ref object; /* keeps it from being collected meanwhile */
	struct object_handle *handle;
	int program;
	struct test_frame frame;
	__u32 repeat, cpu;
	__u32 batch; /* 0: the packets are not sent, whatever the program says */
	double nanoseconds;
	int error;
};

static double monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void repeat_execute(napi_env env, void *data)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct repeat_work *work = data;
	cpu_set_t before, one;
	double start;

	(void)env;
	CPU_ZERO(&one);
	CPU_SET(work->cpu, &one);
	if (sched_getaffinity(0, sizeof(before), &before) ||
	    sched_setaffinity(0, sizeof(one), &one)) {
		work->error = errno;
		return;
	}
	if (work->batch) {
		options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
		options.batch_size = work->batch;
	}
	start = monotonic_ns();
	work->error = program_run(work->program, &work->frame, (int)work->repeat, NULL, 0,
				  &options);
	/* The kernel leaves out what it waits, and with frames that are sent that is much of it. */
	work->nanoseconds =
		work->batch ? (monotonic_ns() - start) / work->repeat : options.duration;
	sched_setaffinity(0, sizeof(before), &before);
}

static void repeat_complete(napi_env env, napi_status status, void *data)
{
	struct repeat_work *work = data;
	napi_value result;

	(void)status;
	if (work->error) {
		bpf_error_throw(env, work->error, "Cannot run %u packets on CPU %u", work->repeat,
				work->cpu);
		napi_get_and_clear_last_exception(env, &result);
		napi_reject_deferred(env, work->deferred, result);
	} else {
		napi_create_double(env, work->nanoseconds, &result);
		napi_resolve_deferred(env, work->deferred, result);
	}
	object_work_end(work->handle);
	napi_delete_reference(env, work->object);
	napi_delete_async_work(env, work->work);
	free(work->frame.bytes);
	free(work);
}

static napi_value repeat_start(napi_env env, napi_callback_info info, bool live)
{
	napi_value argv[2], promise, name, this;
	struct object_handle *handle = object_this(env, info, 2, argv);
	struct repeat_work *work;
	void *packet;
	size_t size;

	if (!handle || !value_bytes(env, argv[0], "The packet", 1, &packet, &size))
		return NULL;
	work = calloc(1, sizeof(*work));
	if (!work || !(work->frame.bytes = malloc(size))) {
		free(work);
		return bpf_error_throw(env, ENOMEM, "Cannot run packets");
	}
	if (!value_u32(env, property(env, argv[1], "ifindex"), "ifindex", &work->frame.ifindex) ||
	    !value_u32(env, property(env, argv[1], "repeat"), "repeat", &work->repeat) ||
	    !value_u32(env, property(env, argv[1], "cpu"), "cpu", &work->cpu) ||
	    (live && !value_u32(env, property(env, argv[1], "batch"), "batch", &work->batch))) {
		free(work->frame.bytes);
		free(work);
		return NULL;
	}
	memcpy(work->frame.bytes, packet, size);
	work->frame.size = size;
	work->handle = handle;
	work->program = bpf_program__fd(handle->program);
	object_work_begin(handle);
	napi_get_cb_info(env, info, NULL, NULL, &this, NULL);
	napi_create_reference(env, this, 1, &work->object);
	napi_create_promise(env, &work->deferred, &promise);
	napi_create_string_utf8(env, "testRepeat", NAPI_AUTO_LENGTH, &name);
	napi_create_async_work(env, NULL, name, repeat_execute, repeat_complete, work, &work->work);
	napi_queue_async_work(env, work->work);
	return promise;
}

napi_value program_test_repeat(napi_env env, napi_callback_info info)
{
	return repeat_start(env, info, false);
}

napi_value program_test_live(napi_env env, napi_callback_info info)
{
	return repeat_start(env, info, true);
}
