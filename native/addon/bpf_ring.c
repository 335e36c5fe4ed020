/* Ring chunks: inner maps of `ring_chunks`, made when needed and pinned to be found again. */
#include "bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool chunk_path(const struct object_handle *handle, __u32 index, char *path)
{
	return snprintf(path, BPF_PATH_MAX, "%s/ring_chunk_%u", handle->pin_dir, index) <
	       BPF_PATH_MAX;
}

static struct object_handle *chunk_arguments(napi_env env, napi_callback_info info, __u32 *index,
					     struct map_handle **outer)
{
	napi_value argv[1];
	struct object_handle *handle = object_this(env, info, 1, argv);

	if (!handle || !value_u32(env, argv[0], "The index", index))
		return NULL;
	*outer = map_find(handle, "ring_chunks");
	if (!*outer || *index >= TG_RING_CHUNKS_MAX) {
		bpf_error_throw(env, EINVAL, "There is no place for ring chunk %u", *index);
		return NULL;
	}
	return handle;
}

static napi_value chunk_keep(napi_env env, struct object_handle *handle, __u32 index, int fd)
{
	char name[BPF_NAME_MAX];
	struct map_handle *map;

	snprintf(name, sizeof(name), "ring_chunk_%u", index);
	map = map_open(env, fd, name);
	if (!map)
		return NULL;
	if (handle->chunks[index])
		map_release(handle->chunks[index]);
	handle->chunks[index] = map;
	return map_wrap(env, map);
}

/* The program's map first: a pin that lags behind is noticed, one that leads would be believed. */
static int chunk_install(const struct object_handle *handle, const struct map_handle *outer,
			 __u32 index, int fd)
{
	char path[BPF_PATH_MAX];

	if (bpf_map_update_elem(outer->fd, &index, &fd, BPF_ANY))
		return errno;
	if (!handle->pin_dir[0])
		return 0;
	if (!chunk_path(handle, index, path))
		return ENAMETOOLONG;
	if (unlink(path) && errno != ENOENT)
		return errno;
	return bpf_obj_pin(fd, path) ? errno : 0;
}

napi_value ring_chunk_add(napi_env env, napi_callback_info info)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	struct map_handle *outer;
	napi_value chunk = NULL;
	__u32 index;
	struct object_handle *handle = chunk_arguments(env, info, &index, &outer);
	int error, fd;

	if (!handle)
		return NULL;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring_chunk", sizeof(__u32),
			    sizeof(struct tg_ring_line), TG_RING_CHUNK_ENTRIES / TG_RING_LINE_WORDS,
			    &options);
	if (fd < 0)
		return bpf_error_throw(env, errno, "Cannot create ring chunk %u", index);
	error = chunk_install(handle, outer, index, fd);
	if (error)
		bpf_error_throw(env, error, "Cannot install ring chunk %u", index);
	else
		chunk = chunk_keep(env, handle, index, fd);
	close(fd);
	return chunk;
}

/*
 * The outer map tells the inner one's id, but opening by id needs CAP_SYS_ADMIN; the pin does not.
 * A pin that is not the installed map is left over from a crash between the two, and does not
 * count.
 */
napi_value ring_chunk_find(napi_env env, napi_callback_info info)
{
	struct bpf_map_info inner = {};
	__u32 index, id, size = sizeof(inner);
	struct map_handle *outer;
	struct object_handle *handle = chunk_arguments(env, info, &index, &outer);
	char path[BPF_PATH_MAX];
	napi_value chunk = NULL;
	int fd;

	if (!handle)
		return NULL;
	if (handle->chunks[index])
		return map_wrap(env, handle->chunks[index]);
	if (!handle->pin_dir[0] || bpf_map_lookup_elem(outer->fd, &index, &id))
		return NULL;
	if (!chunk_path(handle, index, path))
		return bpf_error_throw(env, ENAMETOOLONG, "Cannot open ring chunk %u", index);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return errno == ENOENT ? NULL
				       : bpf_error_throw(env, errno, "Cannot open \"%s\"", path);
	if (bpf_obj_get_info_by_fd(fd, &inner, &size))
		bpf_error_throw(env, errno, "Cannot read what \"%s\" is", path);
	else if (inner.id == id)
		chunk = chunk_keep(env, handle, index, fd);
	close(fd);
	return chunk;
}
