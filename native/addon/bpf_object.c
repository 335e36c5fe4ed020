/* Loading an object file with one XDP program, and its life. */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const napi_type_tag OBJECT_TAG = { 0x6f626a2d74696465ull, 0x676174652d627066ull };

static void mapping_free(struct mapping *mapping)
{
	if (mapping->memory)
		munmap(mapping->memory, mapping->size);
	mapping->memory = NULL;
}

/* What is pinned stays, and maps live on while JavaScript holds them. */
static void object_dispose(struct object_handle *handle)
{
	mapping_free(&handle->flows);
	mapping_free(&handle->flow_hints);
	mapping_free(&handle->reverse);
	mapping_free(&handle->servers);
	mapping_free(&handle->backends);
	mapping_free(&handle->backend_flows);
	mapping_free(&handle->nat_addresses);
	for (int i = 0; i < handle->map_count; i++)
		map_release(handle->maps[i]);
	handle->map_count = 0;
	for (int i = 0; i < TG_RING_CHUNKS_MAX; i++) {
		if (handle->chunks[i])
			map_release(handle->chunks[i]);
		handle->chunks[i] = NULL;
	}
	if (handle->object)
		bpf_object__close(handle->object);
	handle->object = NULL;
}

void object_work_begin(struct object_handle *handle)
{
	handle->works++;
}

void object_work_end(struct object_handle *handle)
{
	if (--handle->works > 0 || !handle->collected)
		return;
	object_dispose(handle);
	free(handle);
}

static void object_finalize(napi_env env, void *data, void *hint)
{
	struct object_handle *handle = data;

	(void)env;
	(void)hint;
	handle->collected = true;
	handle->works++;
	object_work_end(handle);
}

struct object_handle *object_unwrap(napi_env env, napi_value value)
{
	struct object_handle *handle = NULL;
	bool is_object = false;

	if (napi_check_object_type_tag(env, value, &OBJECT_TAG, &is_object) != napi_ok ||
	    !is_object || napi_unwrap(env, value, (void **)&handle) != napi_ok) {
		napi_throw_type_error(env, "EINVAL", "This is not a BPF object");
		return NULL;
	}
	if (!handle->object) {
		bpf_error_throw(env, EBADF, "The BPF object is closed");
		return NULL;
	}
	return handle;
}

struct object_handle *object_this(napi_env env, napi_callback_info info, size_t argc,
				  napi_value *argv)
{
	napi_value this;

	if (napi_get_cb_info(env, info, &argc, argv, &this, NULL) != napi_ok)
		return NULL;
	return object_unwrap(env, this);
}

static napi_value object_close(napi_env env, napi_callback_info info)
{
	struct object_handle *handle = object_this(env, info, 0, NULL);

	if (!handle)
		return NULL;
	if (handle->works > 0)
		return bpf_error_throw(env, EBUSY, "Wait for the sweep or run before closing");
	for (int i = 0; i < handle->map_count; i++)
		map_close(handle->maps[i]);
	for (int i = 0; i < TG_RING_CHUNKS_MAX; i++)
		if (handle->chunks[i])
			map_close(handle->chunks[i]);
	object_dispose(handle);
	return NULL;
}

/* Sets map sizes by name; an unknown name is a mistake, not a wish. */
static bool set_sizes(napi_env env, struct bpf_object *object, napi_value sizes)
{
	napi_value names;
	uint32_t count;

	if (napi_get_property_names(env, sizes, &names) != napi_ok)
		return napi_throw_type_error(env, "EINVAL", "maxEntries must be an object"), false;
	napi_get_array_length(env, names, &count);
	for (uint32_t i = 0; i < count; i++) {
		char text[BPF_NAME_MAX];
		napi_value name, size;
		struct bpf_map *map;
		__u32 entries;

		napi_get_element(env, names, i, &name);
		napi_get_property(env, sizes, name, &size);
		if (!value_string(env, name, "A map's name", text, sizeof(text)) ||
		    !value_u32(env, size, text, &entries))
			return false;
		map = bpf_object__find_map_by_name(object, text);
		if (!map || bpf_map__set_max_entries(map, entries)) {
			bpf_error_throw(env, EINVAL, "Cannot give map \"%s\" %u entries", text,
					entries);
			return false;
		}
	}
	return true;
}

/*
 * Kernels before 5.18 know no multi-buffer frames and refuse a program that says it can handle
 * them.
 */
static void fit_program_to_kernel(struct bpf_program *program)
{
	__u32 flags = bpf_program__flags(program);

	if ((flags & BPF_F_XDP_HAS_FRAGS) &&
	    libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_get_buff_len, NULL) == 0)
		bpf_program__set_flags(program, flags & ~BPF_F_XDP_HAS_FRAGS);
}

static bool open_maps(napi_env env, struct object_handle *handle)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, handle->object) {
		if (bpf_map__is_internal(map))
			continue;
		handle->maps[handle->map_count] =
			map_open(env, bpf_map__fd(map), bpf_map__name(map));
		if (!handle->maps[handle->map_count])
			return false;
		handle->map_count++;
	}
	return true;
}

/* Another object's maps, or what is pinned. */
static bool maps_take_over(napi_env env, struct object_handle *handle, napi_value share)
{
	const struct object_handle *from;
	napi_valuetype type;

	napi_typeof(env, share, &type);
	if (type == napi_undefined)
		return pins_reuse(env, handle);
	from = object_unwrap(env, share);
	return from && maps_share(env, handle, from);
}

/* Everything up to the verifier's work, which takes long. */
static bool load_prepare(napi_env env, struct object_handle *handle, napi_value options)
{
	napi_value pin_dir = property(env, options, "pinDir");
	char path[BPF_PATH_MAX];
	napi_valuetype type;

	if (!value_string(env, property(env, options, "object"), "object", path, sizeof(path)))
		return false;
	napi_typeof(env, pin_dir, &type);
	if (type != napi_undefined && !value_string(env, pin_dir, "pinDir", handle->pin_dir,
						    sizeof(handle->pin_dir)))
		return false;
	bpf_error_forget();
	handle->object = bpf_object__open_file(path, NULL);
	if (!handle->object) {
		bpf_error_throw(env, errno, "Cannot open the BPF object \"%s\"", path);
		return false;
	}
	handle->program = bpf_object__next_program(handle->object, NULL);
	if (!handle->program) {
		bpf_error_throw(env, ENOEXEC, "The BPF object \"%s\" has no program", path);
		return false;
	}
	if (!set_sizes(env, handle->object, property(env, options, "maxEntries")))
		return false;
	if (!maps_take_over(env, handle, property(env, options, "share")))
		return false;
	fit_program_to_kernel(handle->program);
	return true;
}

static bool load_finish(napi_env env, struct object_handle *handle, int error)
{
	if (error) {
		bpf_error_throw(env, error, "The kernel refuses the BPF object \"%s\"",
				bpf_object__name(handle->object));
		return false;
	}
	return pins_create(env, handle) && open_maps(env, handle);
}

static napi_value object_wrap(napi_env env, struct object_handle *handle)
{
	napi_property_descriptor methods[] = {
		{ .utf8name = "addRingChunk", .method = ring_chunk_add },
		{ .utf8name = "ringChunk", .method = ring_chunk_find },
		{ .utf8name = "attach", .method = program_attach },
		{ .utf8name = "testRun", .method = program_test_run },
		{ .utf8name = "testRepeat", .method = program_test_repeat },
		{ .utf8name = "testLive", .method = program_test_live },
		{ .utf8name = "close", .method = object_close },
	};
	napi_value object, maps;

	napi_create_object(env, &object);
	napi_create_object(env, &maps);
	for (int i = 0; i < handle->map_count; i++)
		napi_set_named_property(env, maps, handle->maps[i]->name,
					map_wrap(env, handle->maps[i]));
	napi_set_named_property(env, object, "maps", maps);
	set_number(env, object, "programFd", bpf_program__fd(handle->program));
	napi_define_properties(env, object, sizeof(methods) / sizeof(methods[0]), methods);
	if (napi_wrap(env, object, handle, object_finalize, NULL, NULL) != napi_ok ||
	    napi_type_tag_object(env, object, &OBJECT_TAG) != napi_ok)
		napi_fatal_error("object_wrap", NAPI_AUTO_LENGTH, "cannot wrap an object",
				 NAPI_AUTO_LENGTH);
	return object;
}

napi_value object_load(napi_env env, napi_callback_info info)
{
	struct object_handle *handle = calloc(1, sizeof(*handle));
	napi_value argv[1];
	size_t argc = 1;

	if (!handle)
		return bpf_error_throw(env, ENOMEM, "Cannot load a BPF object");
	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !load_prepare(env, handle, argv[0]) ||
	    !load_finish(env, handle, bpf_object__load(handle->object))) {
		object_dispose(handle);
		free(handle);
		return NULL;
	}
	bpf_error_forget();
	return object_wrap(env, handle);
}

/* The same beside the event loop, as the verifier may think for half a second. */
struct load_work {
	napi_async_work work;
	napi_deferred deferred;
	struct object_handle *handle;
	int error;
	char *words;
};

static void load_execute(napi_env env, void *data)
{
	struct load_work *work = data;

	(void)env;
	work->error = bpf_object__load(work->handle->object);
	work->words = bpf_error_take();
}

static void load_complete(napi_env env, napi_status status, void *data)
{
	struct load_work *work = data;
	napi_value result;

	(void)status;
	bpf_error_give(work->words);
	if (load_finish(env, work->handle, work->error)) {
		napi_resolve_deferred(env, work->deferred, object_wrap(env, work->handle));
	} else {
		napi_get_and_clear_last_exception(env, &result);
		napi_reject_deferred(env, work->deferred, result);
		object_dispose(work->handle);
		free(work->handle);
	}
	bpf_error_forget();
	napi_delete_async_work(env, work->work);
	free(work->words);
	free(work);
}

napi_value object_load_later(napi_env env, napi_callback_info info)
{
	struct object_handle *handle = calloc(1, sizeof(*handle));
	struct load_work *work = calloc(1, sizeof(*work));
	napi_value argv[1], promise, name;
	size_t argc = 1;

	if (!handle || !work) {
		bpf_error_throw(env, ENOMEM, "Cannot load a BPF object");
	} else if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) == napi_ok &&
		   load_prepare(env, handle, argv[0])) {
		work->handle = handle;
		napi_create_promise(env, &work->deferred, &promise);
		napi_create_string_utf8(env, "bpfLoadLater", NAPI_AUTO_LENGTH, &name);
		napi_create_async_work(env, NULL, name, load_execute, load_complete, work,
				       &work->work);
		napi_queue_async_work(env, work->work);
		return promise;
	}
	if (handle)
		object_dispose(handle);
	free(handle);
	free(work);
	return NULL;
}
