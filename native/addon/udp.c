/*
 * UDP sockets for protocols that must see how a datagram came (TTL or hop limit, destination,
 * interface) and say how it goes.
 *
 * A datagram is put into a buffer of JavaScript's that is used again for the next one, so that
 * receiving makes no garbage: what is collected least stalls a thread with deadlines least.
 */
#include "loop_fd.h"
#include "socket_option.h"

#include <errno.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Datagrams a wake, so that a flood does not starve timers and other sockets. */
#define READS_PER_WAKE 64
/* A burst that waits while the thread is busy; small, since old datagrams are worth nothing. */
#define RECEIVE_BYTES (256 * 1024)
/* The buffer's layout: source, destination (IPv4 as IPv4-mapped), payload. */
#define SOURCE_AT 0
#define DESTINATION_AT 16
#define PAYLOAD_AT 32

struct udp_socket {
	struct loop_fd base;
	int family;
	/* Memory of a buffer of JavaScript's, which `base` keeps. */
	unsigned char *bytes;
	size_t size;
};

static const napi_type_tag udp_tag = { 0x7469646567617465ull, 0x7564700000000001ull };

static void put_ipv4(unsigned char *at, const struct in_addr *address)
{
	memset(at, 0, 10);
	memset(at + 10, 0xff, 2);
	memcpy(at + 12, address, sizeof(*address));
}

/* What the kernel says of a datagram beside its bytes. */
struct arrival {
	int ttl;
	int ifindex;
};

static void read_control(struct udp_socket *sock, struct msghdr *message, struct arrival *arrival)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct in_pktinfo v4;
		struct in6_pktinfo v6;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&arrival->ttl, CMSG_DATA(c), sizeof(arrival->ttl));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
			memcpy(&arrival->ttl, CMSG_DATA(c), sizeof(arrival->ttl));
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&v4, CMSG_DATA(c), sizeof(v4));
			arrival->ifindex = v4.ipi_ifindex;
			put_ipv4(sock->bytes + DESTINATION_AT, &v4.ipi_addr);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&v6, CMSG_DATA(c), sizeof(v6));
			arrival->ifindex = (int)v6.ipi6_ifindex;
			memcpy(sock->bytes + DESTINATION_AT, &v6.ipi6_addr, sizeof(v6.ipi6_addr));
		}
	}
}

static void deliver(struct udp_socket *sock, size_t length, const struct arrival *arrival, int port)
{
	napi_value argv[4];

	if (napi_create_uint32(sock->base.env, (uint32_t)length, &argv[0]) == napi_ok &&
	    napi_create_int32(sock->base.env, arrival->ttl, &argv[1]) == napi_ok &&
	    napi_create_int32(sock->base.env, arrival->ifindex, &argv[2]) == napi_ok &&
	    napi_create_int32(sock->base.env, port, &argv[3]) == napi_ok)
		loop_fd_tell(&sock->base, 4, argv);
}

/* Reads one datagram. False when there is nothing more to read. */
static bool read_one(struct loop_fd *base)
{
	struct udp_socket *sock = (struct udp_socket *)base;
	union {
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} from = { 0 };
	union {
		char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec io = { sock->bytes + PAYLOAD_AT, sock->size - PAYLOAD_AT };
	struct msghdr header = { &from, sizeof(from), &io, 1, &control, sizeof(control), 0 };
	struct arrival arrival = { .ttl = -1, .ifindex = 0 };
	ssize_t length = recvmsg(base->fd, &header, MSG_DONTWAIT);
	int port;

	if (length < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return false;
		loop_fd_tell_error(base, errno, "Cannot receive");
		return true;
	}
	memset(sock->bytes, 0, PAYLOAD_AT);
	if (sock->family == AF_INET) {
		put_ipv4(sock->bytes + SOURCE_AT, &from.v4.sin_addr);
		port = ntohs(from.v4.sin_port);
	} else {
		memcpy(sock->bytes + SOURCE_AT, &from.v6.sin6_addr, sizeof(from.v6.sin6_addr));
		port = ntohs(from.v6.sin6_port);
	}
	read_control(sock, &header, &arrival);
	deliver(sock, length, &arrival, port);
	return true;
}

/* How datagrams go, and that it is told how they came. */
static bool set_ip_options(int fd, int family, int ttl, int tos)
{
	if (family == AF_INET)
		return set_option(fd, IPPROTO_IP, IP_TTL, ttl) &&
		       set_option(fd, IPPROTO_IP, IP_TOS, tos) &&
		       set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
		       set_option(fd, IPPROTO_IP, IP_RECVTTL, 1);
	return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
	       set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl) &&
	       set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos) &&
	       set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
	       set_option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
}

/* Fills `to` from 16 bytes (IPv4-mapped when the socket is of IPv4); returns its length, 0 if wrong. */
static socklen_t fill_address(struct sockaddr_storage *to, int family, const void *bytes,
			      size_t length, uint32_t port, uint32_t scope)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	memset(to, 0, sizeof(*to));
	if (length != sizeof(struct in6_addr) || port > UINT16_MAX)
		return 0;
	to->ss_family = family;
	if (family == AF_INET) {
		v4->sin_port = htons(port);
		memcpy(&v4->sin_addr, (const unsigned char *)bytes + 12, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_port = htons(port);
	v6->sin6_scope_id = scope;
	memcpy(&v6->sin6_addr, bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

static bool read_bytes(napi_env env, napi_value value, void **bytes, size_t *length)
{
	napi_typedarray_type type;

	return napi_get_typedarray_info(env, value, &type, length, bytes, NULL, NULL) == napi_ok &&
	       type == napi_uint8_array;
}

static napi_value wrap(napi_env env, int fd, int family, struct udp_socket **wrapped)
{
	napi_value handle;
	struct udp_socket *sock = loop_fd_wrap(env, fd, sizeof(*sock), &udp_tag, &handle);

	if (!sock)
		return NULL;
	sock->family = family;
	*wrapped = sock;
	return handle;
}

/* Starts to deliver to `argv`: buffer, onMessage, onError. False with the socket closed. */
static bool watch(struct udp_socket *sock, napi_value *argv, bool keep_alive)
{
	struct loop_fd *base = &sock->base;
	napi_env env = base->env;
	void *bytes;

	if (!read_bytes(env, argv[0], &bytes, &sock->size) || sock->size <= PAYLOAD_AT ||
	    napi_create_reference(env, argv[0], 1, &base->kept) != napi_ok ||
	    napi_create_reference(env, argv[1], 1, &base->on_message) != napi_ok ||
	    napi_create_reference(env, argv[2], 1, &base->on_error) != napi_ok) {
		loop_fd_close(base);
		throw_errno(env, EINVAL, "Cannot watch a UDP socket");
		return false;
	}
	sock->bytes = bytes;
	base->read_one = read_one;
	base->reads_per_wake = READS_PER_WAKE;
	return loop_fd_start(base, keep_alive, "Cannot watch a UDP socket");
}

/* Lets nothing in: a socket that only sends must not collect what strangers send to its port. */
static bool refuse_all(int fd)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0;
}

/* What both kinds of socket are opened with. */
struct udp_options {
	int family;
	char device[IFNAMSIZ];
	size_t device_length;
	struct sockaddr_storage local;
	socklen_t local_length;
	uint32_t ttl;
	uint32_t tos;
};

/* Reads family (4, 6), device, address (16 bytes), port, scope, ttl, tos. */
static bool read_options(napi_env env, napi_value *argv, struct udp_options *options)
{
	uint32_t family, port, scope;
	size_t length;
	void *address;

	if (napi_get_value_uint32(env, argv[0], &family) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[1], NULL, 0, &options->device_length) != napi_ok ||
	    options->device_length >= sizeof(options->device) ||
	    napi_get_value_string_utf8(env, argv[1], options->device, sizeof(options->device), NULL) !=
		    napi_ok ||
	    !read_bytes(env, argv[2], &address, &length) ||
	    napi_get_value_uint32(env, argv[3], &port) != napi_ok ||
	    napi_get_value_uint32(env, argv[4], &scope) != napi_ok ||
	    napi_get_value_uint32(env, argv[5], &options->ttl) != napi_ok ||
	    napi_get_value_uint32(env, argv[6], &options->tos) != napi_ok)
		return false;
	options->family = family == 4 ? AF_INET : AF_INET6;
	options->local_length =
		fill_address(&options->local, options->family, address, length, port, scope);
	return options->local_length != 0;
}

/* An open and bound descriptor, or -1 with the error thrown. */
static int open_bound(napi_env env, const struct udp_options *options, bool receives)
{
	int fd = socket(options->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *failed = NULL;

	if (fd < 0)
		failed = "Cannot open a UDP socket";
	else if (!set_ip_options(fd, options->family, (int)options->ttl, (int)options->tos) ||
		 !(receives ? set_option(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BYTES) : refuse_all(fd)))
		failed = "Cannot set the options of a UDP socket";
	/* Several of ours may receive on a port, each on its device; another user's may not. */
	else if (!set_option(fd, SOL_SOCKET, SO_REUSEPORT, receives))
		failed = "Cannot share the port of a UDP socket";
	else if (options->device_length &&
		 setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, options->device,
			    (socklen_t)options->device_length) != 0)
		failed = "Cannot bind a UDP socket to its device";
	else if (bind(fd, (const struct sockaddr *)&options->local, options->local_length) != 0)
		failed = "Cannot bind a UDP socket";
	if (failed) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		throw_errno(env, error, failed);
		return -1;
	}
	return fd;
}

/* udpSender(family, device, address, port, scope, ttl, tos) */
static napi_value udp_sender(napi_env env, napi_callback_info info)
{
	struct udp_options options;
	struct udp_socket *sock;
	napi_value argv[7];
	size_t argc = 7;
	int fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !read_options(env, argv, &options))
		return throw_errno(env, EINVAL, "Cannot open a UDP socket");
	fd = open_bound(env, &options, false);
	return fd < 0 ? NULL : wrap(env, fd, options.family, &sock);
}

/* udpReceiver(family, device, address, port, scope, ttl, tos, buffer, onMessage, onError, keepAlive) */
static napi_value udp_receiver(napi_env env, napi_callback_info info)
{
	struct udp_options options;
	struct udp_socket *sock;
	napi_value argv[11], handle;
	size_t argc = 11;
	bool keep_alive;
	int fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !read_options(env, argv, &options) ||
	    napi_get_value_bool(env, argv[10], &keep_alive) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot open a UDP socket");
	fd = open_bound(env, &options, true);
	if (fd < 0)
		return NULL;
	handle = wrap(env, fd, options.family, &sock);
	return handle && watch(sock, &argv[7], keep_alive) ? handle : NULL;
}

static struct udp_socket *udp_of(napi_env env, napi_value handle)
{
	return loop_fd_of(env, handle, &udp_tag);
}

/* udpSend(handle, bytes, address: 16 bytes, port, scope) */
static napi_value udp_send(napi_env env, napi_callback_info info)
{
	struct sockaddr_storage to;
	struct udp_socket *sock;
	uint32_t port, scope;
	size_t length, address_length, argc = 5;
	napi_value argv[5];
	socklen_t to_length;
	void *bytes, *address;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !(sock = udp_of(env, argv[0])) || !read_bytes(env, argv[1], &bytes, &length) ||
	    !read_bytes(env, argv[2], &address, &address_length) ||
	    napi_get_value_uint32(env, argv[3], &port) != napi_ok ||
	    napi_get_value_uint32(env, argv[4], &scope) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot send a datagram");
	if (sock->base.closed)
		return throw_errno(env, EBADF, "Cannot send a datagram");
	to_length = fill_address(&to, sock->family, address, address_length, port, scope);
	if (to_length == 0)
		return throw_errno(env, EINVAL, "Cannot send a datagram");
	if (sendto(sock->base.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to,
		   to_length) < 0)
		return throw_errno(env, errno, "Cannot send a datagram");
	return NULL;
}

/* udpReceivePending(handle): delivers what waits now, before the event loop comes to it. */
static napi_value udp_receive_pending(napi_env env, napi_callback_info info)
{
	struct udp_socket *sock;
	napi_value argv[1];
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !(sock = udp_of(env, argv[0])))
		return throw_errno(env, EINVAL, "Cannot receive datagrams");
	loop_fd_read(&sock->base);
	return NULL;
}

/* udpFilter(handle, program: Uint32Array): classic BPF, two words an instruction; replaces the last one. */
static napi_value udp_filter(napi_env env, napi_callback_info info)
{
	napi_typedarray_type type;
	struct sock_fprog filter;
	struct udp_socket *sock;
	napi_value argv[2];
	size_t words, argc = 2;
	void *data;

	_Static_assert(sizeof(struct sock_filter) == 8, "an instruction is two words");
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !(sock = udp_of(env, argv[0])) ||
	    napi_get_typedarray_info(env, argv[1], &type, &words, &data, NULL, NULL) != napi_ok ||
	    type != napi_uint32_array || words / 2 > UINT16_MAX)
		return throw_errno(env, EINVAL, "Cannot filter datagrams");
	filter.len = (unsigned short)(words / 2);
	filter.filter = data;
	if (setsockopt(sock->base.fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0)
		return throw_errno(env, errno, "Cannot filter datagrams");
	return NULL;
}

/* udpClose(handle): idempotent. */
static napi_value udp_close(napi_env env, napi_callback_info info)
{
	struct udp_socket *sock;
	napi_value argv[1];
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !(sock = udp_of(env, argv[0])))
		return throw_errno(env, EINVAL, "Cannot close a handle that is no UDP socket");
	loop_fd_close(&sock->base);
	return NULL;
}

/* interfaceIndex(name): 0 when there is none of this name. */
static napi_value interface_index(napi_env env, napi_callback_info info)
{
	char name[IFNAMSIZ];
	napi_value argv[1], result;
	size_t length, argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[0], NULL, 0, &length) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot look up an interface");
	if (length >= sizeof(name) ||
	    napi_get_value_string_utf8(env, argv[0], name, sizeof(name), NULL) != napi_ok)
		name[0] = '\0';
	return napi_create_uint32(env, if_nametoindex(name), &result) == napi_ok ? result : NULL;
}

void register_udp(napi_env env, napi_value exports)
{
	export_function(env, exports, "udpSender", udp_sender);
	export_function(env, exports, "udpReceiver", udp_receiver);
	export_function(env, exports, "udpSend", udp_send);
	export_function(env, exports, "udpReceivePending", udp_receive_pending);
	export_function(env, exports, "udpFilter", udp_filter);
	export_function(env, exports, "udpClose", udp_close);
	export_function(env, exports, "interfaceIndex", interface_index);
}
