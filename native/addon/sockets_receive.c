/* What arrives at sockets. See sockets.h. */
#include "sockets.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define READS_PER_WAKE 64

/* Tells our handles from any other external. */
static const napi_type_tag socket_tag = { 0x7469646567617465ull, 0x736f636b65740001ull };

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
	napi_env env = sock->base.env;
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
	loop_fd_tell(&sock->base, argc, argv);
}

/* Reads one message. False when there is nothing more to read. */
static bool read_one(struct loop_fd *base)
{
	struct tg_socket *sock = (struct tg_socket *)base;
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
	ssize_t length = recvmsg(base->fd, &header, MSG_DONTWAIT);

	if (length < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		loop_fd_tell_error(base, errno, "Cannot receive");
		return true;
	}
	/* Anybody may send to a netlink socket; only the kernel is believed. */
	if (sock->family == AF_NETLINK && from.netlink.nl_pid != 0)
		return true;
	if (header.msg_flags & MSG_TRUNC)
		loop_fd_tell_error(base, EMSGSIZE, "Cannot receive");
	else
		deliver(sock, length, &header);
	return true;
}

napi_value wrap_socket(napi_env env, int fd, int family, int ifindex)
{
	napi_value handle;
	struct tg_socket *sock = loop_fd_wrap(env, fd, sizeof(*sock), &socket_tag, &handle);

	if (!sock)
		return NULL;
	sock->family = family;
	sock->ifindex = ifindex;
	return handle;
}

napi_value start_receiving(napi_env env, napi_value handle, napi_value *callbacks, bool keep_alive)
{
	struct tg_socket *sock = handle ? socket_of(env, handle) : NULL;

	if (!sock)
		return NULL;
	sock->base.read_one = read_one;
	sock->base.reads_per_wake = READS_PER_WAKE;
	if (napi_create_reference(env, callbacks[0], 1, &sock->base.on_message) != napi_ok ||
	    napi_create_reference(env, callbacks[1], 1, &sock->base.on_error) != napi_ok) {
		loop_fd_close(&sock->base);
		return NULL;
	}
	return loop_fd_start(&sock->base, keep_alive, "Cannot watch a socket") ? handle : NULL;
}

struct tg_socket *socket_of(napi_env env, napi_value handle)
{
	return loop_fd_of(env, handle, &socket_tag);
}
