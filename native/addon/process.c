/* What systemd and single-instance locks need and Node lacks. */
#include "addon.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NOTIFY_MESSAGE_MAX 4096

/*
 * notifySend(socketPath, message): one datagram as sd_notify(3) sends it. A leading "@" of the path
 * names an abstract socket.
 */
static napi_value notify_send(napi_env env, napi_callback_info info)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	char message[NOTIFY_MESSAGE_MAX];
	size_t path_length, message_length, argc = 2;
	napi_value argv[2];
	int fd, error;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[0], NULL, 0, &path_length) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[1], message, sizeof(message), &message_length) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot notify the service manager");
	if (path_length >= sizeof(to.sun_path))
		return throw_errno(env, ENAMETOOLONG, "Cannot notify the service manager");
	if (napi_get_value_string_utf8(env, argv[0], to.sun_path, sizeof(to.sun_path), NULL) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot notify the service manager");
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return throw_errno(env, errno, "Cannot notify the service manager");
	error = 0;
	if (sendto(fd, message, message_length, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
		   offsetof(struct sockaddr_un, sun_path) + path_length) < 0)
		error = errno;
	close(fd);
	return error ? throw_errno(env, error, "Cannot notify the service manager") : NULL;
}

/*
 * lockDescriptor(fd): an exclusive lock on the open file, until its last descriptor closes, however
 * the process ends. Throws EWOULDBLOCK (whose name here is EAGAIN) when somebody else holds it.
 */
static napi_value lock_descriptor(napi_env env, napi_callback_info info)
{
	napi_value argv[1];
	size_t argc = 1;
	int32_t fd;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_int32(env, argv[0], &fd) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot lock a file");
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return throw_errno(env, errno, "Cannot lock a file");
	return NULL;
}

void register_process(napi_env env, napi_value exports)
{
	export_function(env, exports, "notifySend", notify_send);
	export_function(env, exports, "lockDescriptor", lock_descriptor);
}
