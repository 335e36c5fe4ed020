/*
 * AF_NETLINK, AF_PACKET and group-membership sockets. Messages are delivered as copies: what JavaScript
 * keeps stays as it was.
 */
#ifndef TIDEGATE_SOCKETS_H
#define TIDEGATE_SOCKETS_H

#include "loop_fd.h"

/* Largest message: netlink dumps use 32 KiB, a frame put together by GRO stays below 64 KiB. */
#define MESSAGE_MAX 65536

struct tg_socket {
	struct loop_fd base;
	int family;
	int ifindex;
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

#endif
