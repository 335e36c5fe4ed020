#ifndef TIDEGATE_SOCKET_OPTION_H
#define TIDEGATE_SOCKET_OPTION_H

#include <stdbool.h>
#include <sys/socket.h>

/* Sets an option that is an int. False with errno. */
static inline bool set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

#endif
