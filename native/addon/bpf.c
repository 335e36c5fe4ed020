#include "addon.h"

void register_bpf(napi_env env, napi_value exports)
{
	(void)env;
	(void)exports;
}
