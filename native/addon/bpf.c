/* The BPF part of the addon: what it exports. */
#include "bpf.h"

void register_bpf(napi_env env, napi_value exports)
{
	bpf_error_capture();
	export_function(env, exports, "bpfLoad", object_load);
	export_function(env, exports, "bpfLoadLater", object_load_later);
	export_function(env, exports, "abi", abi_describe);
	export_function(env, exports, "openCapture", capture_open);
	export_function(env, exports, "listFlows", flows_list);
	export_function(env, exports, "sweepFlows", flows_sweep);
	export_function(env, exports, "endFlows", flows_end);
	export_function(env, exports, "holdFragments", fragments_hold);
}
