/*
 * Pinned maps: what an earlier process left in bpffs is found again, or refused before it is
 * touched.
 */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int pin_make_parent(const char *path)
{
	char folder[BPF_PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return ENAMETOOLONG;
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) && errno != EEXIST)
			return errno;
		*slash = '/';
	}
	return 0;
}

static bool pin_path(napi_env env, const struct object_handle *handle, const char *name, char *path)
{
	if (snprintf(path, BPF_PATH_MAX, "%s/%s", handle->pin_dir, name) < BPF_PATH_MAX)
		return true;
	bpf_error_throw(env, ENAMETOOLONG, "Cannot pin map \"%s\"", name);
	return false;
}

/* Devmaps get BPF_F_RDONLY_PROG from the kernel, unasked. */
static __u32 own_flags(const struct bpf_map_info *info)
{
	if (info->type == BPF_MAP_TYPE_DEVMAP || info->type == BPF_MAP_TYPE_DEVMAP_HASH)
		return info->map_flags & ~BPF_F_RDONLY_PROG;
	return info->map_flags;
}

static bool shape_matches(napi_env env, const char *path, const struct bpf_map *map,
			  const struct bpf_map_info *info)
{
	if (info->type == bpf_map__type(map) && info->key_size == bpf_map__key_size(map) &&
	    info->value_size == bpf_map__value_size(map) &&
	    info->max_entries == bpf_map__max_entries(map) &&
	    own_flags(info) == bpf_map__map_flags(map))
		return true;
	bpf_error_throw_abi(env,
			    "The pinned map \"%s\" has type %u, key %u, value %u and %u entries, "
			    "but type %u, key %u, value %u and %u entries are asked for; run "
			    "\"tidegate detach\" to start anew, or set the old size again",
			    path, info->type, info->key_size, info->value_size, info->max_entries,
			    bpf_map__type(map), bpf_map__key_size(map), bpf_map__value_size(map),
			    bpf_map__max_entries(map));
	return false;
}

/* `config` says which layout the pinned maps were written with; 0 when nothing was written yet. */
static bool version_matches(napi_env env, const char *path, const struct bpf_map *map, int fd)
{
	struct tg_config config;
	__u32 zero = 0;

	if (strcmp(bpf_map__name(map), "config") != 0 ||
	    bpf_map__value_size(map) != sizeof(config))
		return true;
	if (bpf_map_lookup_elem(fd, &zero, &config)) {
		bpf_error_throw(env, errno, "Cannot read the pinned map \"%s\"", path);
		return false;
	}
	if (config.abi_version == 0 || config.abi_version == TG_ABI_VERSION)
		return true;
	bpf_error_throw_abi(env,
			    "The pinned map \"%s\" was written by a Tidegate with data plane "
			    "version %u, this one has %u; run \"tidegate detach\" to start anew",
			    path, config.abi_version, TG_ABI_VERSION);
	return false;
}

/* Opens and checks one map's pin; `fd` is -1 when there is none. */
static bool pin_check(napi_env env, const char *path, const struct bpf_map *map, int *fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	*fd = bpf_obj_get(path);
	if (*fd < 0) {
		if (errno == ENOENT)
			return true;
		bpf_error_throw(env, errno, "Cannot open the pinned map \"%s\"", path);
		return false;
	}
	if (bpf_obj_get_info_by_fd(*fd, &info, &size)) {
		bpf_error_throw(env, errno, "Cannot read what \"%s\" is", path);
		return false;
	}
	return shape_matches(env, path, map, &info) && version_matches(env, path, map, *fd);
}

/* Takes over the map's pin if there is one that fits. */
static bool pin_reuse(napi_env env, const struct object_handle *handle, struct bpf_map *map)
{
	char path[BPF_PATH_MAX];
	int error = 0, fd = -1;
	bool fits;

	if (!pin_path(env, handle, bpf_map__name(map), path))
		return false;
	fits = pin_check(env, path, map, &fd);
	if (fits && fd >= 0)
		error = bpf_map__reuse_fd(map, fd);
	if (fd >= 0)
		close(fd);
	if (error)
		bpf_error_throw(env, error, "Cannot take over the pinned map \"%s\"", path);
	return fits && !error;
}

/*
 * The object says which maps are to be pinned (LIBBPF_PIN_BY_NAME); the pinning is done here, as
 * libbpf would not check the version first, and does not know devmaps again.
 */
bool pins_reuse(napi_env env, struct object_handle *handle)
{
	struct bpf_map *map;
	int index = 0;

	bpf_object__for_each_map(map, handle->object) {
		if (index == BPF_MAPS_MAX) {
			bpf_error_throw(env, E2BIG, "The object has more than %d maps",
					BPF_MAPS_MAX);
			return false;
		}
		handle->pinned[index++] = handle->pin_dir[0] && bpf_map__pin_path(map);
		bpf_map__set_pin_path(map, NULL);
	}
	index = 0;
	bpf_object__for_each_map(map, handle->object) {
		if (handle->pinned[index++] && !pin_reuse(env, handle, map))
			return false;
	}
	return true;
}

/*
 * Takes the maps that would be pinned from an object that is loaded already; none is made, none is
 * pinned. The two must be of one build.
 */
bool maps_share(napi_env env, struct object_handle *handle, const struct object_handle *from)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, handle->object) {
		const char *name = bpf_map__name(map);
		const struct map_handle *found;
		int error;

		if (!bpf_map__pin_path(map))
			continue;
		bpf_map__set_pin_path(map, NULL);
		found = map_find(from, name);
		if (!found || found->type != bpf_map__type(map) ||
		    found->key_size != bpf_map__key_size(map) ||
		    found->value_size != bpf_map__value_size(map)) {
			bpf_error_throw_abi(env,
					    "The running program has no map \"%s\" of the same "
					    "shape: the files on disk are another version; restart "
					    "the forwarder",
					    name);
			return false;
		}
		error = bpf_map__reuse_fd(map, found->fd);
		if (error) {
			bpf_error_throw(env, error, "Cannot share map \"%s\"", name);
			return false;
		}
	}
	return true;
}

/* Pins what was created now. What fails half-way leaves nothing new behind. */
bool pins_create(napi_env env, struct object_handle *handle)
{
	struct bpf_map *created[BPF_MAPS_MAX];
	int count = 0, index = 0, error = 0;
	char path[BPF_PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, handle->object) {
		if (!handle->pinned[index++])
			continue;
		if (!pin_path(env, handle, bpf_map__name(map), path))
			return false;
		if (access(path, F_OK) == 0)
			continue;
		error = pin_make_parent(path);
		if (!error && bpf_obj_pin(bpf_map__fd(map), path))
			error = errno;
		if (error)
			break;
		created[count++] = map;
	}
	if (!error)
		return true;
	bpf_error_throw(env, error, "Cannot pin a map at \"%s\"", path);
	while (count > 0 && pin_path(env, handle, bpf_map__name(created[--count]), path))
		unlink(path);
	return false;
}
