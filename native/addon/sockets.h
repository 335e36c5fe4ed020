/*
 * AF_NETLINK, AF_PACKET and group-membership sockets on the event loop of the calling environment
 * (main thread or worker). Messages are delivered as copies: what JavaScript keeps stays as it was.
 *
 * Lifetime: a socket has two owners, the JavaScript handle and the uv handle; the memory goes with
 * the last. Closing is explicit, or by the environment's clean-up. A receiving socket whose handle
 * was merely forgotten stays open, as Node's own sockets do.
 */
#ifndef TIDEGATE_SOCKETS_H
#define TIDEGATE_SOCKETS_H

#include "addon.h"

#include <stdbool.h>
#include <uv.h>

/* Largest message: netlink dumps use 32 KiB, a frame put together by GRO stays below 64 KiB. */
#define MESSAGE_MAX 65536

struct tg_socket {
	int fd;
	int family;
	int ifindex;
	bool closed;
	/* What follows is for sockets_receive.c alone. */
	bool polled;
	int owners;
	napi_env env;
	napi_ref on_message;
	napi_ref on_error;
	napi_async_cleanup_hook_handle cleanup;
	uv_poll_t poll;
	unsigned char buffer[MESSAGE_MAX];
};

/* Wraps an open descriptor into a handle. Owns `fd` from here on, also when it returns NULL. */
napi_value wrap_socket(napi_env env, int fd, int family, int ifindex);

/*
 * Starts delivering to `callbacks[0]` (messages) and `callbacks[1]` (errors, as Error objects).
 * Returns `handle`, or NULL with the socket closed. A NULL `handle` is passed through.
 */
napi_value start_receiving(napi_env env, napi_value handle, napi_value *callbacks, bool keep_alive);

/* The socket behind a handle, NULL when `handle` is none of ours. */
struct tg_socket *socket_of(napi_env env, napi_value handle);

/* Idempotent; allowed within the socket's own callbacks. Nothing is delivered afterwards. */
void close_socket(struct tg_socket *sock);

#endif
