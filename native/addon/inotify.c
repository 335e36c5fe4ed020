/*
 * inotify on the event loop. Node's own fs.watch cannot tell a file that is being written from one
 * that was written and closed; that difference (IN_CLOSE_WRITE) is what this is for.
 *
 * Lifetime: an instance has two owners, the JavaScript handle and the uv handle; the memory goes with
 * the last. Closing is explicit, or by the environment's clean-up. Never keeps the process alive.
 */
#include "addon.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

/* Room for some hundred events a read; what does not fit waits in the kernel's queue. */
#define EVENTS_MAX 65536
#define PATH_BYTES_MAX 4096

#define FOLDER_EVENTS                                                                              \
	(IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |          \
	 IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct tg_inotify {
	int fd;
	bool closed;
	bool polled;
	int owners;
	napi_env env;
	napi_ref on_events;
	napi_async_cleanup_hook_handle cleanup;
	uv_poll_t poll;
	unsigned char buffer[EVENTS_MAX];
};

/* Tells our handles from any other external. */
static const napi_type_tag inotify_tag = { 0x7469646567617465ull, 0x696e6f7469667901ull };

static void drop_owner(struct tg_inotify *self)
{
	if (--self->owners == 0)
		free(self);
}

static void after_close(uv_handle_t *handle)
{
	struct tg_inotify *self = handle->data;

	if (self->cleanup)
		napi_remove_async_cleanup_hook(self->cleanup);
	drop_owner(self);
}

static void close_inotify(struct tg_inotify *self)
{
	if (self->closed)
		return;
	self->closed = true;
	if (self->on_events)
		napi_delete_reference(self->env, self->on_events);
	if (self->polled)
		uv_close((uv_handle_t *)&self->poll, after_close);
	close(self->fd);
}

static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data)
{
	(void)handle;
	close_inotify(data);
}

static void on_finalize(napi_env env, void *data, void *hint)
{
	struct tg_inotify *self = data;

	(void)env;
	(void)hint;
	if (!self->polled)
		close_inotify(self);
	drop_owner(self);
}

/* Hands over one read's events as they are; the layout is inotify(7)'s. */
static void deliver(struct tg_inotify *self, size_t length)
{
	napi_env env = self->env;
	napi_value global, function, memory, events, exception;
	bool pending = false;
	void *copy;

	if (napi_create_arraybuffer(env, length, &copy, &memory) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, length, memory, 0, &events) != napi_ok)
		return;
	memcpy(copy, self->buffer, length);
	if (napi_get_global(env, &global) == napi_ok &&
	    napi_get_reference_value(env, self->on_events, &function) == napi_ok)
		napi_make_callback(env, NULL, global, function, 1, &events, NULL);
	/* An exception thrown by a callback has no caller to go to: it is an uncaught one. */
	if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
	    napi_get_and_clear_last_exception(env, &exception) == napi_ok)
		napi_fatal_exception(env, exception);
}

/* One read a wake: the loop comes again while there is more, and other handles have their turn. */
static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tg_inotify *self = poll->data;
	napi_handle_scope scope;
	ssize_t length;

	(void)status;
	(void)events;
	length = read(self->fd, self->buffer, sizeof(self->buffer));
	if (length <= 0 || napi_open_handle_scope(self->env, &scope) != napi_ok)
		return;
	deliver(self, length);
	napi_close_handle_scope(self->env, scope);
}

static napi_value start(napi_env env, struct tg_inotify *self, napi_value callback)
{
	uv_loop_t *loop;
	int error;

	if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
	    napi_create_reference(env, callback, 1, &self->on_events) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot watch folders");
	error = uv_poll_init(loop, &self->poll, self->fd);
	if (error != 0)
		return throw_errno(env, -error, "Cannot watch folders");
	self->poll.data = self;
	self->polled = true;
	self->owners++;
	error = uv_poll_start(&self->poll, UV_READABLE, on_readable);
	if (error != 0)
		return throw_errno(env, -error, "Cannot watch folders");
	if (napi_add_async_cleanup_hook(env, on_cleanup, self, &self->cleanup) != napi_ok)
		return throw_errno(env, ENOMEM, "Cannot watch folders");
	uv_unref((uv_handle_t *)&self->poll);
	return NULL;
}

/* inotifyOpen(onEvents: (events: Uint8Array) => void) */
static napi_value inotify_open(napi_env env, napi_callback_info info)
{
	struct tg_inotify *self = calloc(1, sizeof(*self));
	napi_value argv[1], handle;
	size_t argc = 1;
	bool pending;

	if (!self || napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok) {
		free(self);
		return throw_errno(env, ENOMEM, "Cannot watch folders");
	}
	self->env = env;
	self->owners = 1;
	self->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (self->fd < 0) {
		free(self);
		return throw_errno(env, errno, "Cannot watch folders");
	}
	if (napi_create_external(env, self, on_finalize, NULL, &handle) != napi_ok) {
		close(self->fd);
		free(self);
		return NULL;
	}
	if (napi_type_tag_object(env, handle, &inotify_tag) == napi_ok)
		start(env, self, argv[0]);
	if (napi_is_exception_pending(env, &pending) == napi_ok && pending)
		close_inotify(self);
	return handle;
}

/* The instance behind argument 0; NULL, with an exception, when it is closed or none. */
static struct tg_inotify *inotify_of(napi_env env, napi_value value)
{
	struct tg_inotify *self;
	bool ours = false;

	if (napi_check_object_type_tag(env, value, &inotify_tag, &ours) != napi_ok || !ours ||
	    napi_get_value_external(env, value, (void **)&self) != napi_ok || self->closed) {
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
	watch = inotify_add_watch(self->fd, path, FOLDER_EVENTS);
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
	if (self && inotify_rm_watch(self->fd, watch) != 0 && errno != EINVAL)
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
		close_inotify(self);
	return NULL;
}

void register_inotify(napi_env env, napi_value exports)
{
	export_function(env, exports, "inotifyOpen", inotify_open);
	export_function(env, exports, "inotifyAdd", inotify_add);
	export_function(env, exports, "inotifyRemove", inotify_remove);
	export_function(env, exports, "inotifyClose", inotify_close);
}
