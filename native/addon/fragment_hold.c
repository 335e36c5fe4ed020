/*
 * Keeps fragments that came before their datagram's first one, on a thread of its own: the XDP
 * program hands them over by `held_fragments` and notes in `fragments` where a datagram goes. When
 * the note is there, the fragment is run through the program once more (BPF_PROG_TEST_RUN) and what
 * comes out is sent.
 *
 * Sent by a packet socket and not as a live frame of the test run: that works with every driver,
 * also in generic mode, and before Linux 5.18.
 */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOLD_MAX 1024 /* fragments; 2 MB */
#define HOLD_NS 1000000000ull
#define HOLD_LOOK_MS 2 /* how often the notes are looked for while something is held */
#define SEND_ROOM 16   /* what VLAN tags may add */
#define NANOSECONDS 1000000000ull

static const napi_type_tag HOLD_TAG = { 0x686f6c642d746964ull, 0x65676174652d6270ull };

/* What became of them. */
#define HOLD_COUNTERS(X)                                                                           \
	X(held)     /* at this moment */                                                           \
	X(released) /* run once more and sent */                                                   \
	X(expired)  /* the first one did not come in time */                                       \
	X(refused)  /* too many at once */                                                         \
	X(failed)   /* no longer to be sent, or the system refused to */

struct hold_counters {
#define HOLD_COUNTER_FIELD(name) atomic_ullong name;
	HOLD_COUNTERS(HOLD_COUNTER_FIELD)
};

struct hold {
	pthread_t thread;
	bool running;
	int stop, socket, program, notes;
	struct ring_buffer *ring;
	struct tg_held_fragment *fragments[HOLD_MAX]; /* in order of arrival */
	__u32 count;
	struct hold_counters counters;
};

static __u64 monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (__u64)now.tv_sec * NANOSECONDS + (__u64)now.tv_nsec;
}

/* From the ring into memory. What lay there while nobody read it is too old by now. */
static int hold_take(void *context, void *data, size_t size)
{
	const struct tg_held_fragment *given = data;
	struct hold *hold = context;
	struct tg_held_fragment *kept;

	if (size < sizeof(*given) || given->length > TG_HELD_FRAME_MAX)
		return 0;
	if (monotonic_ns() - given->arrived_ns > HOLD_NS) {
		hold->counters.expired++;
		return 0;
	}
	kept = hold->count < HOLD_MAX ? malloc(sizeof(*kept)) : NULL;
	if (!kept) {
		hold->counters.refused++;
		return 0;
	}
	memcpy(kept, given, sizeof(*kept));
	hold->fragments[hold->count++] = kept;
	return 0;
}

/* Whether the program would know the way now. */
static bool hold_note_find(const struct hold *hold, const struct tg_held_fragment *fragment,
			   struct tg_fragment *note)
{
	__u32 now_s = (__u32)(monotonic_ns() / NANOSECONDS);

	return bpf_map_lookup_elem(hold->notes, &fragment->key, note) == 0 &&
	       (__s32)(now_s - note->noted_s) <= TG_FRAGMENT_LIFETIME_S;
}

static bool hold_send(const struct hold *hold, struct tg_held_fragment *fragment, __u32 ifindex)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	const struct test_frame frame = { fragment->frame, fragment->length, fragment->ifindex, 0 };
	__u8 out[TG_HELD_FRAME_MAX + SEND_ROOM];

	if (program_run(hold->program, &frame, 1, out, sizeof(out), &options) ||
	    (options.retval != XDP_TX && options.retval != XDP_REDIRECT))
		return false;
	return sendto(hold->socket, out, options.data_size_out, MSG_DONTWAIT,
		      (struct sockaddr *)&to, sizeof(to)) == (ssize_t)options.data_size_out;
}

/* Sends those whose note is there, drops those that waited too long, keeps the others in order. */
static void hold_look(struct hold *hold)
{
	__u64 now = monotonic_ns();
	struct tg_fragment note;
	__u32 kept = 0;

	for (__u32 i = 0; i < hold->count; i++) {
		struct tg_held_fragment *fragment = hold->fragments[i];

		if (hold_note_find(hold, fragment, &note)) {
			if (hold_send(hold, fragment, note.ifindex))
				hold->counters.released++;
			else
				hold->counters.failed++;
		} else if (now - fragment->arrived_ns > HOLD_NS) {
			hold->counters.expired++;
		} else {
			hold->fragments[kept++] = fragment;
			continue;
		}
		free(fragment);
	}
	hold->count = kept;
	hold->counters.held = kept;
}

static void *hold_run(void *data)
{
	struct hold *hold = data;
	struct pollfd polled[2] = {
		{ .fd = hold->stop, .events = POLLIN },
		{ .fd = ring_buffer__epoll_fd(hold->ring), .events = POLLIN },
	};

	while (poll(polled, 2, hold->count ? HOLD_LOOK_MS : -1) >= 0 || errno == EINTR) {
		if (polled[0].revents)
			break;
		ring_buffer__consume(hold->ring);
		hold_look(hold);
	}
	return NULL;
}

/* Ends the thread, too. */
static void hold_free(struct hold *hold)
{
	const int descriptors[] = { hold->stop, hold->socket, hold->program, hold->notes };
	__u64 one = 1;

	if (hold->running && write(hold->stop, &one, sizeof(one)) == sizeof(one))
		pthread_join(hold->thread, NULL);
	hold->running = false;
	if (hold->ring)
		ring_buffer__free(hold->ring);
	for (__u32 i = 0; i < hold->count; i++)
		free(hold->fragments[i]);
	for (size_t i = 0; i < sizeof(descriptors) / sizeof(*descriptors); i++)
		if (descriptors[i] >= 0)
			close(descriptors[i]);
	free(hold);
}

static int duplicate(int descriptor)
{
	return fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

/* The thread takes no signals: they are Node's. 0 or an errno. */
static int hold_thread_start(struct hold *hold)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&hold->thread, NULL, hold_run, hold);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	hold->running = error == 0;
	return error;
}

/* Descriptors of its own: the object may be closed before. 0 or an errno. */
static int hold_start(struct hold *hold, int program, int notes, int ring)
{
	hold->stop = eventfd(0, EFD_CLOEXEC);
	hold->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	hold->program = duplicate(program);
	hold->notes = duplicate(notes);
	if (hold->stop < 0 || hold->socket < 0 || hold->program < 0 || hold->notes < 0)
		return errno;
	hold->ring = ring_buffer__new(ring, hold_take, hold, NULL);
	if (!hold->ring)
		return errno;
	return hold_thread_start(hold);
}

static void hold_finalize(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	if (data)
		hold_free(data);
}

static struct hold *hold_this(napi_env env, napi_callback_info info, napi_value *this)
{
	struct hold *hold = NULL;
	bool is_hold = false;

	if (napi_get_cb_info(env, info, NULL, NULL, this, NULL) != napi_ok ||
	    napi_check_object_type_tag(env, *this, &HOLD_TAG, &is_hold) != napi_ok || !is_hold ||
	    napi_unwrap(env, *this, (void **)&hold) != napi_ok)
		bpf_error_throw(env, EBADF, "This holds no fragments, or was stopped");
	return hold;
}

static napi_value hold_stats(napi_env env, napi_callback_info info)
{
	napi_value this, stats;
	struct hold *hold = hold_this(env, info, &this);

	if (!hold)
		return NULL;
	napi_create_object(env, &stats);
#define HOLD_COUNTER_SET(name) set_number(env, stats, #name, (double)hold->counters.name);
	HOLD_COUNTERS(HOLD_COUNTER_SET)
	return stats;
}

static napi_value hold_stop(napi_env env, napi_callback_info info)
{
	napi_value this;
	struct hold *hold = hold_this(env, info, &this);

	if (hold && napi_remove_wrap(env, this, (void **)&hold) == napi_ok)
		hold_free(hold);
	return NULL;
}

static napi_value hold_wrap(napi_env env, struct hold *hold)
{
	const napi_property_descriptor methods[] = {
		{ .utf8name = "stats", .method = hold_stats },
		{ .utf8name = "stop", .method = hold_stop },
	};
	napi_value object;

	napi_create_object(env, &object);
	napi_define_properties(env, object, sizeof(methods) / sizeof(*methods), methods);
	if (napi_wrap(env, object, hold, hold_finalize, NULL, NULL) != napi_ok ||
	    napi_type_tag_object(env, object, &HOLD_TAG) != napi_ok)
		napi_fatal_error("hold_wrap", NAPI_AUTO_LENGTH, "cannot wrap an object",
				 NAPI_AUTO_LENGTH);
	return object;
}

napi_value fragments_hold(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	struct map_handle *notes, *ring;
	struct object_handle *handle;
	struct hold *hold;
	size_t argc = 1;
	int error;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return NULL;
	handle = object_unwrap(env, argv[0]);
	if (!handle)
		return NULL;
	notes = map_find(handle, "fragments");
	ring = map_find(handle, "held_fragments");
	if (!notes || !ring)
		return bpf_error_throw(env, EINVAL, "The BPF object hands over no fragments");
	hold = calloc(1, sizeof(*hold));
	if (!hold)
		return bpf_error_throw(env, ENOMEM, "Cannot hold fragments");
	error = hold_start(hold, bpf_program__fd(handle->program), notes->fd, ring->fd);
	if (!error)
		return hold_wrap(env, hold);
	hold_free(hold);
	return bpf_error_throw(env, error, "Cannot hold fragments");
}
