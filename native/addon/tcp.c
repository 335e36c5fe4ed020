/*
 * Prepares TCP sockets for routing protocols: all that node:net has no word for and that must hold
 * before the first segment. Each function takes a file descriptor, which node:net owns from the
 * moment that it is handed over. IPv6 sockets speak IPv6 only.
 */
#include "addon.h"
#include "socket_option.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Internetwork control (RFC 4271 appendix E): routing gets through where the rest is queued. */
#define TRAFFIC_CLASS 0xc0
#define FAMILY_INET6 6

#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

static bool is_ipv6(int fd)
{
	int domain = 0;
	socklen_t length = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_INET6;
}

/* A Uint8Array, valid until JavaScript runs again. */
static bool bytes_of(napi_env env, napi_value value, const void **bytes, size_t *length)
{
	napi_typedarray_type type;
	void *data;

	if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array)
		return false;
	*bytes = data;
	return true;
}

/* The kernel's form of 4 or 16 bytes; 0 for any other number of them. */
static socklen_t socket_address(struct sockaddr_storage *address, const void *bytes, size_t length)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	if (length == sizeof(v4->sin_addr)) {
		v4->sin_family = AF_INET;
		memcpy(&v4->sin_addr, bytes, length);
		return sizeof(*v4);
	}
	if (length == sizeof(v6->sin6_addr)) {
		v6->sin6_family = AF_INET6;
		memcpy(&v6->sin6_addr, bytes, length);
		return sizeof(*v6);
	}
	return 0;
}

/* tcpSocket(family: 4 | 6) -> fd */
static napi_value tcp_socket(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result;
	size_t argc = 1;
	int32_t family;
	bool v6, ready;
	int fd, error;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &family) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot open a TCP socket");
	v6 = family == FAMILY_INET6;
	fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return throw_errno(env, errno, "Cannot open a TCP socket");
	ready = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1) &&
		(v6 ? set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
			      set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, TRAFFIC_CLASS) :
		      set_option(fd, IPPROTO_IP, IP_TOS, TRAFFIC_CLASS));
	if (!ready || napi_create_int32(env, fd, &result) != napi_ok) {
		error = errno;
		close(fd);
		return throw_errno(env, error, "Cannot set up a TCP socket");
	}
	return result;
}

/* tcpHops(fd, ttl, minTtl): 0 leaves the one or the other as it is. */
static napi_value tcp_hops(napi_env env, napi_callback_info info)
{
	int32_t fd, ttl, min_ttl;
	napi_value argv[3];
	size_t argc = 3;
	bool v6;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_get_value_int32(env, argv[1], &ttl) != napi_ok ||
	    napi_get_value_int32(env, argv[2], &min_ttl) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot set the TTL of a TCP socket");
	v6 = is_ipv6(fd);
	if (ttl && !(v6 ? set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl) :
			  set_option(fd, IPPROTO_IP, IP_TTL, ttl)))
		return throw_errno(env, errno, "Cannot set the TTL of a TCP socket");
	if (min_ttl && !(v6 ? set_option(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, min_ttl) :
			      set_option(fd, IPPROTO_IP, IP_MINTTL, min_ttl)))
		return throw_errno(env, errno, "Cannot set the least TTL of a TCP socket");
	return NULL;
}

/* Reads an interface's name; false when it is longer than one can be. */
static bool read_interface(napi_env env, napi_value value, char name[IFNAMSIZ])
{
	char text[IFNAMSIZ + 1];
	size_t length;

	if (napi_get_value_string_utf8(env, value, text, sizeof(text), &length) != napi_ok ||
	    length >= IFNAMSIZ)
		return false;
	memcpy(name, text, length + 1);
	return true;
}

/* tcpDevice(fd, name): SO_BINDTODEVICE. */
static napi_value tcp_device(napi_env env, napi_callback_info info)
{
	char name[IFNAMSIZ];
	napi_value argv[2];
	size_t argc = 2;
	int32_t fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    !read_interface(env, argv[1], name))
		return throw_errno(env, ENODEV, "Cannot bind a TCP socket to an interface");
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name) + 1) != 0)
		return throw_errno(env, errno, "Cannot bind a TCP socket to an interface");
	return NULL;
}

/* tcpBind(fd, address: 4 or 16 bytes, interface of a link-local address or ''): any free port. */
static napi_value tcp_bind(napi_env env, napi_callback_info info)
{
	struct sockaddr_storage address;
	char name[IFNAMSIZ];
	napi_value argv[3];
	const void *bytes;
	socklen_t size;
	size_t argc = 3, length;
	int32_t fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    !bytes_of(env, argv[1], &bytes, &length) || !read_interface(env, argv[2], name) ||
	    !(size = socket_address(&address, bytes, length)))
		return throw_errno(env, EINVAL, "Cannot bind a TCP socket");
	if (name[0]) {
		uint32_t index = if_nametoindex(name);

		if (!index)
			return throw_errno(env, errno, "Cannot bind a TCP socket");
		((struct sockaddr_in6 *)&address)->sin6_scope_id = index;
	}
	/* The port is chosen with the remote end in view, so that old connections do not use it up. */
	if (!set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) ||
	    bind(fd, (struct sockaddr *)&address, size) != 0)
		return throw_errno(env, errno, "Cannot bind a TCP socket");
	return NULL;
}

/* tcpListen(fd, port, backlog): on all addresses; others of this user may be bound to interfaces. */
static napi_value tcp_listen(napi_env env, napi_callback_info info)
{
	static const struct in6_addr any = IN6ADDR_ANY_INIT;
	struct sockaddr_storage address;
	int32_t fd, port, backlog;
	napi_value argv[3];
	socklen_t size;
	size_t argc = 3;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_get_value_int32(env, argv[1], &port) != napi_ok ||
	    napi_get_value_int32(env, argv[2], &backlog) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot listen");
	size = socket_address(&address, &any,
			      is_ipv6(fd) ? sizeof(any) : sizeof(struct in_addr));
	/* The port lies at the same place in both forms. */
	((struct sockaddr_in *)&address)->sin_port = htons(port);
	if (!set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) ||
	    !set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) ||
	    bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, backlog) != 0)
		return throw_errno(env, errno, "Cannot listen");
	return NULL;
}

/* tcpMd5(fd, address: 4 or 16 bytes, key): signs what goes there (RFC 2385); an empty key ends that. */
static napi_value tcp_md5(napi_env env, napi_callback_info info)
{
	size_t argc = 3, address_length, key_length;
	struct tcp_md5sig signature = { 0 };
	const void *address, *key;
	struct sockaddr_storage to;
	napi_value argv[3];
	int32_t fd;
	int error;

	_Static_assert(sizeof(signature.tcpm_addr) == sizeof(to), "both hold any address");
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    !bytes_of(env, argv[1], &address, &address_length) ||
	    !bytes_of(env, argv[2], &key, &key_length) || key_length > TCP_MD5SIG_MAXKEYLEN ||
	    !socket_address(&to, address, address_length))
		return throw_errno(env, EINVAL, "Cannot set a TCP MD5 key");
	memcpy(&signature.tcpm_addr, &to, sizeof(to));
	signature.tcpm_keylen = key_length;
	if (key_length)
		memcpy(signature.tcpm_key, key, key_length);
	error = setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &signature, sizeof(signature)) ? errno : 0;
	explicit_bzero(&signature, sizeof(signature));
	/* There was no key to end. */
	if (error && (key_length || error != ENOENT))
		return throw_errno(env, error, "Cannot set a TCP MD5 key");
	return NULL;
}

/* tcpFilter(fd, program: Uint32Array pairs): classic BPF over what arrives; an empty one ends it. */
static napi_value tcp_filter(napi_env env, napi_callback_info info)
{
	napi_typedarray_type type;
	struct sock_fprog program;
	napi_value argv[2];
	size_t argc = 2, length;
	void *words;
	int32_t fd;

	_Static_assert(sizeof(struct sock_filter) == 2 * sizeof(uint32_t), "two words");
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok ||
	    napi_get_typedarray_info(env, argv[1], &type, &length, &words, NULL, NULL) != napi_ok ||
	    type != napi_uint32_array || length > 2 * BPF_MAXINSNS)
		return throw_errno(env, EINVAL, "Cannot filter a TCP socket");
	program.len = length / 2;
	program.filter = words;
	if (length ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) :
		     !set_option(fd, SOL_SOCKET, SO_DETACH_FILTER, 0))
		return throw_errno(env, errno, "Cannot filter a TCP socket");
	return NULL;
}

/* tcpDrops(fd): segments that were dropped at this socket, by its filter or because it was full. */
static napi_value tcp_drops(napi_env env, napi_callback_info info)
{
	uint32_t counters[SK_MEMINFO_VARS] = { 0 };
	socklen_t size = sizeof(counters);
	napi_value argv[1], result;
	size_t argc = 1;
	int32_t fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot count drops");
	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, counters, &size) != 0)
		return throw_errno(env, errno, "Cannot count drops");
	if (napi_create_uint32(env, counters[SK_MEMINFO_DROPS], &result) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot count drops");
	return result;
}

/* tcpClose(fd): of a socket that was not handed over. */
static napi_value tcp_close(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	size_t argc = 1;
	int32_t fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok || close(fd) != 0)
		return throw_errno(env, EBADF, "Cannot close a TCP socket");
	return NULL;
}

void register_tcp(napi_env env, napi_value exports)
{
	export_function(env, exports, "tcpSocket", tcp_socket);
	export_function(env, exports, "tcpHops", tcp_hops);
	export_function(env, exports, "tcpDevice", tcp_device);
	export_function(env, exports, "tcpBind", tcp_bind);
	export_function(env, exports, "tcpListen", tcp_listen);
	export_function(env, exports, "tcpMd5", tcp_md5);
	export_function(env, exports, "tcpFilter", tcp_filter);
	export_function(env, exports, "tcpDrops", tcp_drops);
	export_function(env, exports, "tcpClose", tcp_close);
}
