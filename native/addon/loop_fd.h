/*
 * A file descriptor that is read on the event loop of the calling environment, main thread or worker,
 * and what comes of it told to functions of JavaScript.
 *
 * Lifetime: it has two owners, the JavaScript handle and the uv handle; the memory goes with the last.
 * Closing is explicit, or by the environment's clean-up. One that is being read and whose handle was
 * merely forgotten stays open, as Node's own sockets do.
 */
#ifndef TIDEGATE_LOOP_FD_H
#define TIDEGATE_LOOP_FD_H

#include "addon.h"

#include <stdbool.h>
#include <uv.h>

/* First member of what is made by `loop_fd_wrap`. */
struct loop_fd {
	int fd;
	bool closed;
	/* Reads once and tells of it. False when there is nothing more to read. */
	bool (*read_one)(struct loop_fd *self);
	/* Reads a wake, so that a flood does not starve timers and other descriptors. */
	int reads_per_wake;
	napi_env env;
	napi_ref on_message;
	/* NULL: errors are told to nobody. */
	napi_ref on_error;
	/* A value of JavaScript's that stays as long as this is open, or NULL. */
	napi_ref kept;
	/* What follows is for loop_fd.c alone. */
	bool polled;
	int owners;
	napi_async_cleanup_hook_handle cleanup;
	uv_poll_t poll;
};

/*
 * Allocates `size` zeroed bytes, which begin with a `struct loop_fd`, as what is behind `handle`. Owns
 * `fd` from here on. NULL with the descriptor closed and an exception.
 */
void *loop_fd_wrap(napi_env env, int fd, size_t size, const napi_type_tag *tag, napi_value *handle);

/* What is behind a handle with this tag; NULL when it has none. */
void *loop_fd_of(napi_env env, napi_value handle, const napi_type_tag *tag);

/* Begins to read; `on_message` and `read_one` are set. False with it closed and an exception. */
bool loop_fd_start(struct loop_fd *self, bool keep_alive, const char *what);

/* Reads what waits, now, as far as one wake goes. */
void loop_fd_read(struct loop_fd *self);

/* Idempotent; allowed within its own callbacks. Nothing is told afterwards. */
void loop_fd_close(struct loop_fd *self);

/* Calls `on_message`. */
void loop_fd_tell(struct loop_fd *self, size_t argc, napi_value *argv);

/* Calls `on_error` with an Error whose `code` is the errno's name. */
void loop_fd_tell_error(struct loop_fd *self, int error, const char *what);

#endif
