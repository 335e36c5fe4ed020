/* Precedence of one thread of the process, for work with deadlines of milliseconds. */
#include "addon.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Before every ordinary thread, behind whatever else is real-time on the machine. */
#define REALTIME_PRIORITY 1
#define NICEST (-20)

/*
 * raiseThreadPriority(): the calling thread runs before all ordinary ones ("realtime"), else with the
 * greatest share that an ordinary one can have ("nice"). Threads that it starts do not inherit that.
 * Throws EPERM (CAP_SYS_NICE is missing) when neither is allowed.
 */
static napi_value raise_thread_priority(napi_env env, napi_callback_info info)
{
	struct sched_param parameters = { .sched_priority = REALTIME_PRIORITY };
	const char *how = "realtime";
	napi_value result;

	(void)info;
	/* 0 is the calling thread for both calls, whatever the manual says of processes. */
	if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) != 0) {
		how = "nice";
		if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICEST) != 0)
			return throw_errno(env, errno, "Cannot raise the priority of a thread");
	}
	return napi_create_string_utf8(env, how, NAPI_AUTO_LENGTH, &result) == napi_ok ? result : NULL;
}

void register_thread(napi_env env, napi_value exports)
{
	export_function(env, exports, "raiseThreadPriority", raise_thread_priority);
}
