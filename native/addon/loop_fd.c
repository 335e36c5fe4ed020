#include "loop_fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void drop_owner(struct loop_fd *self)
{
	if (--self->owners == 0)
		free(self);
}

static void after_close(uv_handle_t *handle)
{
	struct loop_fd *self = handle->data;

	if (self->cleanup)
		napi_remove_async_cleanup_hook(self->cleanup);
	drop_owner(self);
}

void loop_fd_close(struct loop_fd *self)
{
	napi_ref references[] = { self->on_message, self->on_error, self->kept };

	if (self->closed)
		return;
	self->closed = true;
	for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++)
		if (references[i])
			napi_delete_reference(self->env, references[i]);
	if (self->polled)
		uv_close((uv_handle_t *)&self->poll, after_close);
	close(self->fd);
	self->fd = -1;
}

static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data)
{
	(void)handle;
	loop_fd_close(data);
}

static void on_finalize(napi_env env, void *data, void *hint)
{
	struct loop_fd *self = data;

	(void)env;
	(void)hint;
	if (!self->polled)
		loop_fd_close(self);
	drop_owner(self);
}

/* An exception thrown by a callback has no caller to go to: it is an uncaught one. */
static void call_back(struct loop_fd *self, napi_ref reference, size_t argc, napi_value *argv)
{
	napi_env env = self->env;
	napi_value global, function, exception;
	bool pending = false;

	if (napi_get_global(env, &global) == napi_ok &&
	    napi_get_reference_value(env, reference, &function) == napi_ok)
		napi_make_callback(env, NULL, global, function, argc, argv, NULL);
	if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
	    napi_get_and_clear_last_exception(env, &exception) == napi_ok)
		napi_fatal_exception(env, exception);
}

void loop_fd_tell(struct loop_fd *self, size_t argc, napi_value *argv)
{
	call_back(self, self->on_message, argc, argv);
}

void loop_fd_tell_error(struct loop_fd *self, int error, const char *what)
{
	napi_env env = self->env;
	napi_value code, message, exception;
	const char *name = strerrorname_np(error);
	char text[128];

	if (!self->on_error)
		return;
	snprintf(text, sizeof(text), "%s: %s", what, strerror(error));
	if (napi_create_string_utf8(env, name ? name : "EUNKNOWN", NAPI_AUTO_LENGTH, &code) == napi_ok &&
	    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) == napi_ok &&
	    napi_create_error(env, code, message, &exception) == napi_ok)
		call_back(self, self->on_error, 1, &exception);
}

void loop_fd_read(struct loop_fd *self)
{
	for (int reads = 0; reads < self->reads_per_wake && !self->closed; reads++) {
		napi_handle_scope each;

		if (napi_open_handle_scope(self->env, &each) != napi_ok)
			break;
		bool more = self->read_one(self);

		napi_close_handle_scope(self->env, each);
		if (!more)
			break;
	}
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct loop_fd *self = poll->data;
	napi_handle_scope scope;

	(void)events;
	if (napi_open_handle_scope(self->env, &scope) != napi_ok)
		return;
	/* libuv stops at a pending socket error (ENOBUFS, ENETDOWN), which we outlive. */
	if (status < 0) {
		int error = 0;
		socklen_t size = sizeof(error);

		if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
			loop_fd_tell_error(self, error, "Cannot receive");
		if (!self->closed && uv_poll_start(poll, UV_READABLE, on_readable) != 0)
			loop_fd_tell_error(self, EBADF, "Cannot go on receiving");
	}
	loop_fd_read(self);
	napi_close_handle_scope(self->env, scope);
}

void *loop_fd_wrap(napi_env env, int fd, size_t size, const napi_type_tag *tag, napi_value *handle)
{
	struct loop_fd *self = calloc(1, size);

	if (!self) {
		close(fd);
		throw_errno(env, ENOMEM, "Cannot hold a file descriptor");
		return NULL;
	}
	self->env = env;
	self->fd = fd;
	self->owners = 1;
	if (napi_create_external(env, self, on_finalize, NULL, handle) != napi_ok) {
		close(fd);
		free(self);
		return NULL;
	}
	if (napi_type_tag_object(env, *handle, tag) != napi_ok) {
		loop_fd_close(self);
		return NULL;
	}
	return self;
}

void *loop_fd_of(napi_env env, napi_value handle, const napi_type_tag *tag)
{
	void *self;
	bool ours = false;

	if (napi_check_object_type_tag(env, handle, tag, &ours) != napi_ok || !ours ||
	    napi_get_value_external(env, handle, &self) != napi_ok)
		return NULL;
	return self;
}

bool loop_fd_start(struct loop_fd *self, bool keep_alive, const char *what)
{
	uv_loop_t *loop;
	int error = UV_EINVAL;

	if (napi_get_uv_event_loop(self->env, &loop) == napi_ok)
		error = uv_poll_init(loop, &self->poll, self->fd);
	if (error == 0) {
		self->poll.data = self;
		self->polled = true;
		self->owners++;
		error = uv_poll_start(&self->poll, UV_READABLE, on_readable);
	}
	if (error == 0 &&
	    napi_add_async_cleanup_hook(self->env, on_cleanup, self, &self->cleanup) != napi_ok)
		error = UV_ENOMEM;
	if (error != 0) {
		loop_fd_close(self);
		throw_errno(self->env, -error, what);
		return false;
	}
	if (!keep_alive)
		uv_unref((uv_handle_t *)&self->poll);
	return true;
}
