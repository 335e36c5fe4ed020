/* Opens sockets, sends, and joins groups. See sockets.h. */
#include "sockets.h"
#include "socket_option.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Receive buffers asked for: a burst of link and neighbour events should fit. */
#define NETLINK_RECEIVE_BYTES (8 * 1024 * 1024)
#define PACKET_RECEIVE_BYTES (1024 * 1024)
#define FILTER_MAX 64
#define GROUPS_MAX 32

/* As large as asked when privileged, else as large as the administrator allows. */
static void enlarge_receive_buffer(int fd, int bytes)
{
	if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes))
		set_option(fd, SOL_SOCKET, SO_RCVBUF, bytes);
}

static napi_value fail(napi_env env, int fd, const char *what)
{
	int error = errno;

	if (fd >= 0)
		close(fd);
	return throw_errno(env, error, what);
}

/* Reads a list of 32-bit numbers; -1 when it is none or longer than `max`. */
static int read_numbers(napi_env env, napi_value list, uint32_t *numbers, uint32_t max)
{
	napi_typedarray_type type;
	size_t length;
	void *data;

	if (napi_get_typedarray_info(env, list, &type, &length, &data, NULL, NULL) != napi_ok ||
	    type != napi_uint32_array || length > max)
		return -1;
	if (length)
		memcpy(numbers, data, length * sizeof(*numbers));
	return (int)length;
}

/* netlinkSocket(protocol, groups: Uint32Array, onMessage, onError, keepAlive) */
static napi_value netlink_socket(napi_env env, napi_callback_info info)
{
	struct sockaddr_nl local = { .nl_family = AF_NETLINK };
	uint32_t groups[GROUPS_MAX];
	napi_value argv[5];
	size_t argc = 5;
	int32_t protocol;
	bool keep_alive;
	int count, fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &protocol) != napi_ok ||
	    napi_get_value_bool(env, argv[4], &keep_alive) != napi_ok ||
	    (count = read_numbers(env, argv[1], groups, GROUPS_MAX)) < 0)
		return throw_errno(env, EINVAL, "Cannot open a netlink socket");
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
	if (fd < 0)
		return fail(env, fd, "Cannot open a netlink socket");
	enlarge_receive_buffer(fd, NETLINK_RECEIVE_BYTES);
	/* Better messages and stricter dumps where the kernel has them; nothing depends on either. */
	set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
	set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		return fail(env, fd, "Cannot bind a netlink socket");
	for (int i = 0; i < count; i++)
		if (!set_option(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, (int)groups[i]))
			return fail(env, fd, "Cannot join a netlink group");
	return start_receiving(env, wrap_socket(env, fd, AF_NETLINK, 0), &argv[2], keep_alive);
}

/* packetSocket(ifindex, etherType, filter: Uint32Array pairs, onMessage, onError, keepAlive) */
static napi_value packet_socket(napi_env env, napi_callback_info info)
{
	struct sockaddr_ll local = { .sll_family = AF_PACKET };
	struct sock_filter code[FILTER_MAX];
	struct sock_fprog filter = { .filter = code };
	uint32_t ether_type;
	napi_value argv[6];
	size_t argc = 6;
	bool keep_alive;
	int count, fd;

	_Static_assert(sizeof(struct sock_filter) == 8, "an instruction is two words");
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &local.sll_ifindex) != napi_ok ||
	    napi_get_value_uint32(env, argv[1], &ether_type) != napi_ok ||
	    napi_get_value_bool(env, argv[5], &keep_alive) != napi_ok ||
	    (count = read_numbers(env, argv[2], (uint32_t *)code, FILTER_MAX * 2)) < 0)
		return throw_errno(env, EINVAL, "Cannot open a packet socket");
	local.sll_protocol = htons(ether_type);
	/* Protocol 0: nothing arrives before the filter is in place and the interface is chosen. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(env, fd, "Cannot open a packet socket");
	enlarge_receive_buffer(fd, PACKET_RECEIVE_BYTES);
	filter.len = count / 2;
	if (filter.len &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0)
		return fail(env, fd, "Cannot attach the filter of a packet socket");
	if (!set_option(fd, SOL_PACKET, PACKET_AUXDATA, 1))
		return fail(env, fd, "Cannot ask for auxiliary data of a packet socket");
	if (bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0)
		return fail(env, fd, "Cannot bind a packet socket");
	return start_receiving(env, wrap_socket(env, fd, AF_PACKET, local.sll_ifindex), &argv[3],
			       keep_alive);
}

/* groupSocket(ifindex): holds memberships of IPv6 groups (MLD reports), receives nothing. */
static napi_value group_socket(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	size_t argc = 1;
	int32_t ifindex;
	int fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &ifindex) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot open a group socket");
	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(env, fd, "Cannot open a group socket");
	return wrap_socket(env, fd, AF_INET6, ifindex);
}

static struct tg_socket *socket_and_bytes(napi_env env, napi_callback_info info, void **bytes,
					  size_t *length)
{
	struct tg_socket *sock;
	napi_typedarray_type type;
	napi_value argv[2];
	size_t argc = 2;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_typedarray_info(env, argv[1], &type, length, bytes, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		throw_errno(env, EINVAL, "Cannot use anything but a Uint8Array with a socket");
		return NULL;
	}
	sock = socket_of(env, argv[0]);
	if (!sock || sock->base.closed) {
		throw_errno(env, EBADF, "Cannot use a closed socket");
		return NULL;
	}
	return sock;
}

/* socketSend(handle, bytes): one frame or one netlink request, whole or not at all. */
static napi_value socket_send(napi_env env, napi_callback_info info)
{
	size_t length;
	void *bytes;
	struct tg_socket *sock = socket_and_bytes(env, info, &bytes, &length);

	if (sock && send(sock->base.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return throw_errno(env, errno, "Cannot send");
	return NULL;
}

/* A MAC group of a packet socket (6 bytes) or an IPv6 group (16 bytes). */
static napi_value change_membership(napi_env env, napi_callback_info info, bool join)
{
	size_t length;
	void *bytes;
	struct tg_socket *sock = socket_and_bytes(env, info, &bytes, &length);
	int result = -1;

	if (!sock)
		return NULL;
	errno = EINVAL;
	if (sock->family == AF_PACKET && length == ETH_ALEN) {
		struct packet_mreq group = { .mr_ifindex = sock->ifindex,
					     .mr_type = PACKET_MR_MULTICAST,
					     .mr_alen = ETH_ALEN };

		memcpy(group.mr_address, bytes, ETH_ALEN);
		result = setsockopt(sock->base.fd, SOL_PACKET,
				    join ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP, &group,
				    sizeof(group));
	} else if (sock->family == AF_INET6 && length == sizeof(struct in6_addr)) {
		struct ipv6_mreq group = { .ipv6mr_interface = sock->ifindex };

		memcpy(&group.ipv6mr_multiaddr, bytes, sizeof(group.ipv6mr_multiaddr));
		result = setsockopt(sock->base.fd, IPPROTO_IPV6,
				    join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &group,
				    sizeof(group));
	}
	if (result != 0)
		return throw_errno(env, errno, join ? "Cannot join a group" : "Cannot leave a group");
	return NULL;
}

static napi_value socket_join(napi_env env, napi_callback_info info)
{
	return change_membership(env, info, true);
}

static napi_value socket_leave(napi_env env, napi_callback_info info)
{
	return change_membership(env, info, false);
}

/* socketClose(handle): idempotent. */
static napi_value socket_close(napi_env env, napi_callback_info info)
{
	struct tg_socket *sock;
	napi_value argv[1];
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !(sock = socket_of(env, argv[0])))
		return throw_errno(env, EINVAL, "Cannot close a handle that is no socket");
	loop_fd_close(&sock->base);
	return NULL;
}

void register_sockets(napi_env env, napi_value exports)
{
	export_function(env, exports, "netlinkSocket", netlink_socket);
	export_function(env, exports, "packetSocket", packet_socket);
	export_function(env, exports, "groupSocket", group_socket);
	export_function(env, exports, "socketSend", socket_send);
	export_function(env, exports, "socketJoin", socket_join);
	export_function(env, exports, "socketLeave", socket_leave);
	export_function(env, exports, "socketClose", socket_close);
}
