#include "addon.h"

#include <stdio.h>
#include <string.h>

void export_function(napi_env env, napi_value exports, const char *name, napi_callback callback)
{
	napi_value function;
	if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) != napi_ok ||
	    napi_set_named_property(env, exports, name, function) != napi_ok)
		napi_fatal_error(name, NAPI_AUTO_LENGTH, "cannot export", NAPI_AUTO_LENGTH);
}

napi_value throw_errno(napi_env env, int error, const char *what)
{
	char message[512];
	const char *code = strerrorname_np(error);

	snprintf(message, sizeof(message), "%s: %s", what, strerror(error));
	napi_throw_error(env, code ? code : "EUNKNOWN", message);
	return NULL;
}
