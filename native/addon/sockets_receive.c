/* Lifetime of sockets, and receiving on the event loop. */
#include "sockets.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads per wake, so that a flood on one socket does not starve timers and other sockets. */
#define READS_PER_WAKE 64

/* Tells our handles from any other external. */
static const napi_type_tag socket_tag = { 0x7469646567617465ull, 0x736f636b65740001ull };

static void drop_owner(struct tg_socket *sock)
{
	if (--sock->owners == 0)
		free(sock);
}

static void after_close(uv_handle_t *handle)
{
	struct tg_socket *sock = handle->data;

	if (sock->cleanup)
		napi_remove_async_cleanup_hook(sock->cleanup);
	drop_owner(sock);
}

void close_socket(struct tg_socket *sock)
{
	if (sock->closed)
		return;
	sock->closed = true;
	if (sock->on_message)
		napi_delete_reference(sock->env, sock->on_message);
	if (sock->on_error)
		napi_delete_reference(sock->env, sock->on_error);
	if (sock->polled)
		uv_close((uv_handle_t *)&sock->poll, after_close);
	close(sock->fd);
	sock->fd = -1;
}

static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data)
{
	struct tg_socket *sock = data;

	(void)handle;
	close_socket(sock);
}

static void on_finalize(napi_env env, void *data, void *hint)
{
	struct tg_socket *sock = data;

	(void)env;
	(void)hint;
	if (!sock->polled)
		close_socket(sock);
	drop_owner(sock);
}

/* An exception thrown by a callback has no caller to go to: it is an uncaught one. */
static void call_back(struct tg_socket *sock, napi_ref reference, size_t argc, napi_value *argv)
{
	napi_env env = sock->env;
	napi_value global, function, exception;
	bool pending = false;

	if (napi_get_global(env, &global) == napi_ok &&
	    napi_get_reference_value(env, reference, &function) == napi_ok)
		napi_make_callback(env, NULL, global, function, argc, argv, NULL);
	if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
	    napi_get_and_clear_last_exception(env, &exception) == napi_ok)
		napi_fatal_exception(env, exception);
}

static void report_error(struct tg_socket *sock, int error, const char *what)
{
	napi_env env = sock->env;
	napi_value code, message, exception;
	const char *name = strerrorname_np(error);
	char text[128];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(error));
	if (napi_create_string_utf8(env, name ? name : "EUNKNOWN", NAPI_AUTO_LENGTH, &code) == napi_ok &&
	    napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) == napi_ok &&
	    napi_create_error(env, code, message, &exception) == napi_ok)
		call_back(sock, sock->on_error, 1, &exception);
}

/* The VLAN tag the kernel took out of the frame, or -1. */
static int32_t vlan_of(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return aux.tp_vlan_tci;
	}
	return -1;
}

static void deliver(struct tg_socket *sock, size_t length, struct msghdr *header)
{
	napi_env env = sock->env;
	napi_value argv[4], memory;
	size_t argc = 1;
	void *copy;

	if (napi_create_arraybuffer(env, length, &copy, &memory) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, length, memory, 0, &argv[0]) != napi_ok)
		return;
	memcpy(copy, sock->buffer, length);
	if (sock->family == AF_PACKET) {
		struct sockaddr_ll *from = header->msg_name;

		if (napi_create_int32(env, from->sll_ifindex, &argv[1]) != napi_ok ||
		    napi_create_uint32(env, from->sll_pkttype, &argv[2]) != napi_ok ||
		    napi_create_int32(env, vlan_of(header), &argv[3]) != napi_ok)
			return;
		argc = 4;
	}
	call_back(sock, sock->on_message, argc, argv);
}

/* Reads one message. False when there is nothing more to read. */
static bool read_one(struct tg_socket *sock)
{
	union {
		struct sockaddr_ll link;
		struct sockaddr_nl netlink;
	} from = { 0 };
	union {
		char space[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec io = { sock->buffer, sizeof(sock->buffer) };
	struct msghdr header = { &from, sizeof(from), &io, 1, &control, sizeof(control), 0 };
	ssize_t length = recvmsg(sock->fd, &header, MSG_DONTWAIT);

	if (length < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		report_error(sock, errno, "Cannot receive");
		return true;
	}
	/* Anybody may send to a netlink socket; only the kernel is believed. */
	if (sock->family == AF_NETLINK && from.netlink.nl_pid != 0)
		return true;
	if (header.msg_flags & MSG_TRUNC)
		report_error(sock, EMSGSIZE, "Cannot receive");
	else
		deliver(sock, length, &header);
	return true;
}

static void on_readable(uv_poll_t *poll, int status, int events);

static int watch(struct tg_socket *sock)
{
	return uv_poll_start(&sock->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct tg_socket *sock = poll->data;
	napi_handle_scope scope;

	(void)events;
	if (napi_open_handle_scope(sock->env, &scope) != napi_ok)
		return;
	/* libuv stops at a pending socket error (ENOBUFS, ENETDOWN), which we outlive. */
	if (status < 0) {
		int error = 0;
		socklen_t size = sizeof(error);

		if (getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0)
			report_error(sock, error, "Cannot receive");
		if (!sock->closed && watch(sock) != 0)
			report_error(sock, EBADF, "Cannot go on receiving");
	}
	for (int reads = 0; reads < READS_PER_WAKE && !sock->closed; reads++) {
		napi_handle_scope each;

		if (napi_open_handle_scope(sock->env, &each) != napi_ok)
			break;
		bool more = read_one(sock);

		napi_close_handle_scope(sock->env, each);
		if (!more)
			break;
	}
	napi_close_handle_scope(sock->env, scope);
}

napi_value wrap_socket(napi_env env, int fd, int family, int ifindex)
{
	struct tg_socket *sock = calloc(1, sizeof(*sock));
	napi_value handle;

	if (!sock) {
		close(fd);
		return throw_errno(env, ENOMEM, "Cannot open a socket");
	}
	*sock = (struct tg_socket){ .env = env, .fd = fd, .family = family, .ifindex = ifindex };
	sock->owners = 1;
	if (napi_create_external(env, sock, on_finalize, NULL, &handle) != napi_ok) {
		close(fd);
		free(sock);
		return NULL;
	}
	if (napi_type_tag_object(env, handle, &socket_tag) != napi_ok)
		close_socket(sock);
	return handle;
}

napi_value start_receiving(napi_env env, napi_value handle, napi_value *callbacks, bool keep_alive)
{
	struct tg_socket *sock;
	uv_loop_t *loop;
	int error;

	if (!handle || napi_get_value_external(env, handle, (void **)&sock) != napi_ok)
		return NULL;
	if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
	    napi_create_reference(env, callbacks[0], 1, &sock->on_message) != napi_ok ||
	    napi_create_reference(env, callbacks[1], 1, &sock->on_error) != napi_ok) {
		close_socket(sock);
		return NULL;
	}
	error = uv_poll_init(loop, &sock->poll, sock->fd);
	if (error != 0) {
		close_socket(sock);
		return throw_errno(env, -error, "Cannot watch a socket");
	}
	sock->poll.data = sock;
	sock->polled = true;
	sock->owners++;
	error = watch(sock);
	if (error != 0 ||
	    napi_add_async_cleanup_hook(env, on_cleanup, sock, &sock->cleanup) != napi_ok) {
		close_socket(sock);
		return throw_errno(env, error ? -error : ENOMEM, "Cannot watch a socket");
	}
	if (!keep_alive)
		uv_unref((uv_handle_t *)&sock->poll);
	return handle;
}

struct tg_socket *socket_of(napi_env env, napi_value handle)
{
	struct tg_socket *sock;
	bool ours = false;

	if (napi_check_object_type_tag(env, handle, &socket_tag, &ours) != napi_ok || !ours ||
	    napi_get_value_external(env, handle, (void **)&sock) != napi_ok)
		return NULL;
	return sock;
}
