/* The addon's entry: registers what the other files export. */
#include "addon.h"

NAPI_MODULE_INIT()
{
	register_bpf(env, exports);
	register_sockets(env, exports);
	register_process(env, exports);
	register_udp(env, exports);
	register_thread(env, exports);
	register_inotify(env, exports);
	register_ethtool(env, exports);
	register_tcp(env, exports);
	return exports;
}
