/*
 * The addon's shared declarations. Each source file registers its functions on `exports`;
 * module.c calls them in turn. Plain C and Node-API, so the result is ABI-stable over Node majors.
 */
#ifndef TIDEGATE_ADDON_H
#define TIDEGATE_ADDON_H

#include <node_api.h>

/* BPF objects, maps, links and the flow sweeper. */
void register_bpf(napi_env env, napi_value exports);
/* AF_PACKET and AF_NETLINK sockets on the event loop. */
void register_sockets(napi_env env, napi_value exports);
/* sd_notify and file locks. */
void register_process(napi_env env, napi_value exports);
/* UDP sockets that see the TTL, destination and interface of what comes. */
void register_udp(napi_env env, napi_value exports);
/* Precedence of the calling thread. */
void register_thread(napi_env env, napi_value exports);
/* Offload features of interfaces. */
void register_ethtool(napi_env env, napi_value exports);
/* Watching folders, with the end of writing told. */
void register_inotify(napi_env env, napi_value exports);
/* TCP sockets with signatures, hop limits and filters. */
void register_tcp(napi_env env, napi_value exports);

/* Defines one function property; aborts the process when Node-API refuses, as nothing can go on then. */
void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback);

/* Throws an Error whose `code` is the errno's name (`ENOENT`) and whose message is "what: strerror". */
napi_value throw_errno(napi_env env, int error, const char *what);

#endif
