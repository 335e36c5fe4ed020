/*
 * inotify on the event loop. Node's own fs.watch cannot tell a file that is being written from one
 * that was written and closed; that difference (IN_CLOSE_WRITE) is what this is for.
 * Never keeps the process alive.
 */
#include "loop_fd.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Room for some hundred events a read; what does not fit waits in the kernel's queue. */
#define EVENTS_MAX 65536
#define PATH_BYTES_MAX 4096
/* The loop comes again while there is more, and others have their turn. */
#define READS_PER_WAKE 1

#define FOLDER_EVENTS                                                                              \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct tg_inotify {
	struct loop_fd base;
	unsigned char buffer[EVENTS_MAX];
};

/* Tells our handles from any other external. */
static const napi_type_tag inotify_tag = { 0x7469646567617465ull, 0x696e6f7469667901ull };

/* Hands over one read's events as they are; the layout is inotify(7)'s. */
static void deliver(struct tg_inotify *self, size_t length)
{
	napi_env env = self->base.env;
	napi_value memory, events;
	void *copy;

	if (napi_create_arraybuffer(env, length, &copy, &memory) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, length, memory, 0, &events) != napi_ok)
		return;
	memcpy(copy, self->buffer, length);
	loop_fd_tell(&self->base, 1, &events);
}

static bool read_events(struct loop_fd *base)
{
	struct tg_inotify *self = (struct tg_inotify *)base;
	ssize_t length = read(base->fd, self->buffer, sizeof(self->buffer));

	if (length <= 0)
		return false;
	deliver(self, length);
	return true;
}

/* inotifyOpen(onEvents: (events: Uint8Array) => void) */
static napi_value inotify_open(napi_env env, napi_callback_info info)
{
	struct tg_inotify *self;
	napi_value argv[1], handle;
	size_t argc = 1;
	int fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot watch folders");
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return throw_errno(env, errno, "Cannot watch folders");
	self = loop_fd_wrap(env, fd, sizeof(*self), &inotify_tag, &handle);
	if (!self)
		return NULL;
	self->base.read_one = read_events;
	self->base.reads_per_wake = READS_PER_WAKE;
	if (napi_create_reference(env, argv[0], 1, &self->base.on_message) != napi_ok) {
		loop_fd_close(&self->base);
		return throw_errno(env, EINVAL, "Cannot watch folders");
	}
	return loop_fd_start(&self->base, false, "Cannot watch folders") ? handle : NULL;
}

/* The instance behind argument 0; NULL, with an exception, when it is closed or none. */
static struct tg_inotify *inotify_of(napi_env env, napi_value value)
{
	struct tg_inotify *self = loop_fd_of(env, value, &inotify_tag);

	if (!self || self->base.closed) {
		throw_errno(env, EBADF, "Cannot use a closed watch of folders");
		return NULL;
	}
	return self;
}

/* inotifyAdd(handle, path): number of the watch; the same one for the same folder. */
static napi_value inotify_add(napi_env env, napi_callback_info info)
{
	struct tg_inotify *self;
	char path[PATH_BYTES_MAX];
	napi_value argv[2], result;
	size_t argc = 2, length;
	int watch;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[1], path, sizeof(path), &length) != napi_ok ||
	    length >= sizeof(path) - 1)
		return throw_errno(env, EINVAL, "Cannot watch a folder");
	self = inotify_of(env, argv[0]);
	if (!self)
		return NULL;
	watch = inotify_add_watch(self->base.fd, path, FOLDER_EVENTS);
	if (watch < 0)
		return throw_errno(env, errno, path);
	return napi_create_int32(env, watch, &result) == napi_ok ? result : NULL;
}

/* inotifyRemove(handle, watch): no error when the folder, and with it the watch, is gone already. */
static napi_value inotify_remove(napi_env env, napi_callback_info info)
{
	struct tg_inotify *self;
	napi_value argv[2];
	size_t argc = 2;
	int32_t watch;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[1], &watch) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot stop watching a folder");
	self = inotify_of(env, argv[0]);
	if (self && inotify_rm_watch(self->base.fd, watch) != 0 && errno != EINVAL)
		return throw_errno(env, errno, "Cannot stop watching a folder");
	return NULL;
}

/* inotifyClose(handle): once. */
static napi_value inotify_close(napi_env env, napi_callback_info info)
{
	struct tg_inotify *self;
	napi_value argv[1];
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot stop watching folders");
	self = inotify_of(env, argv[0]);
	if (self)
		loop_fd_close(&self->base);
	return NULL;
}

void register_inotify(napi_env env, napi_value exports)
{
	export_function(env, exports, "inotifyOpen", inotify_open);
	export_function(env, exports, "inotifyAdd", inotify_add);
	export_function(env, exports, "inotifyRemove", inotify_remove);
	export_function(env, exports, "inotifyClose", inotify_close);
}
