/* BPF maps as JavaScript objects. */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENOTSUPP 524
#define DUMP_BATCH 4096
#define DUMP_TRIES 10

static const napi_type_tag MAP_TAG = { 0x6d61702d74696465ull, 0x676174652d627066ull };

struct map_handle *map_find(const struct object_handle *handle, const char *name)
{
	for (int i = 0; i < handle->map_count; i++)
		if (strcmp(handle->maps[i]->name, name) == 0)
			return handle->maps[i];
	return NULL;
}

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

static bool is_per_cpu(const struct map_handle *map)
{
	return map->type == BPF_MAP_TYPE_PERCPU_ARRAY || map->type == BPF_MAP_TYPE_PERCPU_HASH ||
	       map->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* What one look-up writes. */
static size_t lookup_size(const struct map_handle *map)
{
	if (is_per_cpu(map))
		return padded(map->value_size) * (size_t)libbpf_num_possible_cpus();
	return map->value_size;
}

size_t map_mapped_size(const struct map_handle *map)
{
	return padded(map->value_size) * map->max_entries;
}

/* The handle has its own descriptor. NULL when an exception is pending. */
struct map_handle *map_open(napi_env env, int fd, const char *name)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct map_handle *map = calloc(1, sizeof(*map));

	if (!map) {
		bpf_error_throw(env, ENOMEM, "Cannot open map \"%s\"", name);
		return NULL;
	}
	map->references = 1;
	map->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (map->fd < 0 || bpf_obj_get_info_by_fd(map->fd, &info, &size)) {
		bpf_error_throw(env, errno, "Cannot open map \"%s\"", name);
		map_release(map);
		return NULL;
	}
	strncpy(map->name, name, sizeof(map->name) - 1);
	map->type = info.type;
	map->key_size = info.key_size;
	map->value_size = info.value_size;
	map->max_entries = info.max_entries;
	return map;
}

void map_close(struct map_handle *map)
{
	if (map->fd >= 0)
		close(map->fd);
	map->fd = -1;
}

void map_release(struct map_handle *map)
{
	if (--map->references > 0)
		return;
	map_close(map);
	free(map);
}

static struct map_handle *map_this(napi_env env, napi_callback_info info, size_t argc,
				   napi_value *argv)
{
	struct map_handle *map = NULL;
	bool is_map = false;
	napi_value this;

	if (napi_get_cb_info(env, info, &argc, argv, &this, NULL) != napi_ok ||
	    napi_check_object_type_tag(env, this, &MAP_TAG, &is_map) != napi_ok || !is_map ||
	    napi_unwrap(env, this, (void **)&map) != napi_ok) {
		napi_throw_type_error(env, "EINVAL", "This method belongs to a BPF map");
		return NULL;
	}
	if (map->fd < 0) {
		bpf_error_throw(env, EBADF, "Map \"%s\" is closed", map->name);
		return NULL;
	}
	return map;
}

static napi_value map_lookup(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result;
	struct map_handle *map = map_this(env, info, 1, argv);
	void *key, *value;
	size_t size;

	if (!map || !value_bytes(env, argv[0], "The key", map->key_size, &key, &size))
		return NULL;
	result = new_bytes(env, lookup_size(map), &value);
	if (!result)
		return NULL;
	if (bpf_map_lookup_elem(map->fd, key, value)) {
		if (errno != ENOENT)
			return bpf_error_throw(env, errno, "Cannot read map \"%s\"", map->name);
		napi_get_undefined(env, &result);
	}
	return result;
}

static napi_value map_update(napi_env env, napi_callback_info info)
{
	napi_value argv[2];
	struct map_handle *map = map_this(env, info, 2, argv);
	void *key, *value;
	size_t size;

	if (!map || !value_bytes(env, argv[0], "The key", map->key_size, &key, &size) ||
	    !value_bytes(env, argv[1], "The value", lookup_size(map), &value, &size))
		return NULL;
	if (bpf_map_update_elem(map->fd, key, value, BPF_ANY))
		return bpf_error_throw(env, errno, "Cannot write map \"%s\"", map->name);
	return NULL;
}

static napi_value map_delete(napi_env env, napi_callback_info info)
{
	napi_value argv[1], result;
	struct map_handle *map = map_this(env, info, 1, argv);
	void *key;
	size_t size;
	int error = 0;

	if (!map || !value_bytes(env, argv[0], "The key", map->key_size, &key, &size))
		return NULL;
	if (bpf_map_delete_elem(map->fd, key))
		error = errno;
	if (error && error != ENOENT)
		return bpf_error_throw(env, error, "Cannot delete from map \"%s\"", map->name);
	napi_get_boolean(env, error == 0, &result);
	return result;
}

/* For map types without a batch operation. */
static int update_each(const struct map_handle *map, const char *keys, const char *values,
		       __u32 count)
{
	for (__u32 i = 0; i < count; i++)
		if (bpf_map_update_elem(map->fd, keys + (size_t)i * map->key_size,
					values + i * lookup_size(map), BPF_ANY))
			return errno;
	return 0;
}

static napi_value map_update_batch(napi_env env, napi_callback_info info)
{
	napi_value argv[3];
	struct map_handle *map = map_this(env, info, 3, argv);
	void *keys, *values;
	__u32 count, done;
	size_t size;
	int error = 0;

	if (!map || !value_u32(env, argv[2], "The count", &count) ||
	    !value_bytes(env, argv[0], "The keys", (size_t)map->key_size * count, &keys, &size) ||
	    !value_bytes(env, argv[1], "The values", lookup_size(map) * count, &values, &size))
		return NULL;
	done = count;
	if (count > 0 && bpf_map_update_batch(map->fd, keys, values, &done, NULL))
		error = errno;
	if (error == ENOTSUPP || error == EOPNOTSUPP || error == EINVAL)
		error = update_each(map, keys, values, count);
	if (error)
		return bpf_error_throw(env, error, "Cannot write %u entries of map \"%s\"", count,
				       map->name);
	return NULL;
}

/* A growing dump: keys and values packed one after another. */
struct dump {
	char *keys;
	char *values;
	size_t count;
	size_t room;
};

static int dump_grow(struct dump *dump, const struct map_handle *map)
{
	size_t room = dump->room ? dump->room * 2 : DUMP_BATCH;
	char *keys = realloc(dump->keys, room * map->key_size);
	char *values;

	if (!keys)
		return ENOMEM;
	dump->keys = keys;
	values = realloc(dump->values, room * lookup_size(map));
	if (!values)
		return ENOMEM;
	dump->values = values;
	dump->room = room;
	return 0;
}

/* One by one, for map types that cannot be read in batches. EAGAIN when an entry went meanwhile. */
static int dump_each(struct dump *dump, const struct map_handle *map)
{
	void *previous = NULL;

	dump->count = 0;
	for (;;) {
		char *key, *value;

		if (dump->count == dump->room && dump_grow(dump, map))
			return ENOMEM;
		if (dump->count > 0)
			previous = dump->keys + (dump->count - 1) * map->key_size;
		key = dump->keys + dump->count * map->key_size;
		value = dump->values + dump->count * lookup_size(map);
		if (bpf_map_get_next_key(map->fd, previous, key))
			return errno == ENOENT ? 0 : errno;
		if (bpf_map_lookup_elem(map->fd, key, value))
			return errno == ENOENT ? EAGAIN : errno;
		dump->count++;
	}
}

static int dump_batches(struct dump *dump, const struct map_handle *map)
{
	char cursor[256]; /* a bucket number or a key */
	bool first = true;

	if (map->key_size > sizeof(cursor))
		return EINVAL;
	for (;;) {
		__u32 count;
		int error = 0;

		if (dump->room - dump->count < DUMP_BATCH && dump_grow(dump, map))
			return ENOMEM;
		count = (__u32)(dump->room - dump->count);
		if (bpf_map_lookup_batch(map->fd, first ? NULL : cursor, cursor,
					 dump->keys + dump->count * map->key_size,
					 dump->values + dump->count * lookup_size(map), &count,
					 NULL))
			error = errno;
		if (error == 0 || error == ENOENT)
			dump->count += count;
		if (error == ENOENT)
			return 0;
		if (error == ENOSPC) { /* one bucket is larger than the room */
			if (dump_grow(dump, map))
				return ENOMEM;
			continue;
		}
		if (error)
			return error;
		first = false;
	}
}

static napi_value dump_to_array(napi_env env, const struct dump *dump, const struct map_handle *map)
{
	size_t key_size = map->key_size, value_size = lookup_size(map);
	napi_value array, key_buffer, value_buffer;
	void *keys, *values;

	napi_create_array_with_length(env, dump->count, &array);
	napi_create_arraybuffer(env, dump->count * key_size, &keys, &key_buffer);
	napi_create_arraybuffer(env, dump->count * value_size, &values, &value_buffer);
	if (dump->count > 0) {
		memcpy(keys, dump->keys, dump->count * key_size);
		memcpy(values, dump->values, dump->count * value_size);
	}
	for (size_t i = 0; i < dump->count; i++) {
		napi_value entry, bytes;
		napi_handle_scope scope;

		napi_open_handle_scope(env, &scope);
		napi_create_object(env, &entry);
		napi_create_typedarray(env, napi_uint8_array, key_size, key_buffer, i * key_size,
				       &bytes);
		napi_set_named_property(env, entry, "key", bytes);
		napi_create_typedarray(env, napi_uint8_array, value_size, value_buffer,
				       i * value_size, &bytes);
		napi_set_named_property(env, entry, "value", bytes);
		napi_set_element(env, array, (uint32_t)i, entry);
		napi_close_handle_scope(env, scope);
	}
	return array;
}

static napi_value map_entries(napi_env env, napi_callback_info info)
{
	struct map_handle *map = map_this(env, info, 0, NULL);
	struct dump dump = {};
	napi_value array = NULL;
	int error;

	if (!map)
		return NULL;
	error = dump_batches(&dump, map);
	if (error == ENOTSUPP || error == EOPNOTSUPP || error == EINVAL)
		for (int try = 0; try < DUMP_TRIES; try++)
			if ((error = dump_each(&dump, map)) != EAGAIN)
				break;
	if (error)
		bpf_error_throw(env, error, "Cannot dump map \"%s\"", map->name);
	else
		array = dump_to_array(env, &dump, map);
	free(dump.keys);
	free(dump.values);
	return array;
}

/* Entries in one system call: with very many CPUs their values take much room. */
#define SUM_BATCH 1024

/* Adds up the CPUs' values of 64-bit counts, entry by entry. 0 or an errno. */
static int sums_read(const struct map_handle *map, __u32 count, double *sums, __u32 *keys,
		     char *values)
{
	size_t words = map->value_size / sizeof(__u64), cpus = (size_t)libbpf_num_possible_cpus();
	__u32 cursor = 0;

	for (__u32 done = 0; done < count;) {
		__u32 got = count - done < SUM_BATCH ? count - done : SUM_BATCH;
		const __u64 *value = (const __u64 *)values;

		if (bpf_map_lookup_batch(map->fd, done ? &cursor : NULL, &cursor, keys, values,
					 &got, NULL) &&
		    errno != ENOENT)
			return errno;
		if (got == 0)
			return ENOENT;
		for (size_t entry = 0; entry < got; entry++)
			for (size_t cpu = 0; cpu < cpus; cpu++)
				for (size_t word = 0; word < words; word++)
					sums[(done + entry) * words + word] += (double)*value++;
		done += got;
	}
	return 0;
}

static napi_value map_sums(napi_env env, napi_callback_info info)
{
	napi_value argv[1], buffer, array;
	struct map_handle *map = map_this(env, info, 1, argv);
	int error = ENOMEM;
	__u32 count, *keys;
	size_t length;
	char *values;
	void *sums;

	if (!map || !value_u32(env, argv[0], "The count", &count))
		return NULL;
	if (map->type != BPF_MAP_TYPE_PERCPU_ARRAY || map->value_size % sizeof(__u64) ||
	    count > map->max_entries)
		return bpf_error_throw(env, EINVAL, "Cannot add up %u entries of map \"%s\"",
				       count, map->name);
	length = (size_t)count * (map->value_size / sizeof(__u64));
	if (napi_create_arraybuffer(env, length * sizeof(double), &sums, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_float64_array, length, buffer, 0, &array) != napi_ok)
		return NULL;
	keys = calloc(SUM_BATCH, sizeof(*keys));
	values = malloc(SUM_BATCH * lookup_size(map));
	if (keys && values)
		error = count ? sums_read(map, count, sums, keys, values) : 0;
	free(keys);
	free(values);
	if (error)
		return bpf_error_throw(env, error, "Cannot add up map \"%s\"", map->name);
	return array;
}

static void unmap_finalize(napi_env env, void *memory, void *size)
{
	(void)env;
	munmap(memory, (size_t)size);
}

static napi_value map_mapped(napi_env env, napi_callback_info info)
{
	struct map_handle *map = map_this(env, info, 0, NULL);
	napi_value buffer = NULL;
	size_t size;
	void *memory;

	if (!map)
		return NULL;
	if (map->mapped && napi_get_reference_value(env, map->mapped, &buffer) == napi_ok && buffer)
		return buffer;
	size = map_mapped_size(map);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd, 0);
	if (memory == MAP_FAILED)
		return bpf_error_throw(env, errno, "Cannot map the memory of map \"%s\"",
				       map->name);
	if (napi_create_external_arraybuffer(env, memory, size, unmap_finalize, (void *)size,
					     &buffer) != napi_ok) {
		munmap(memory, size);
		return bpf_error_throw(env, ENOMEM, "Cannot share the memory of map \"%s\"",
				       map->name);
	}
	if (map->mapped)
		napi_delete_reference(env, map->mapped);
	map->mapped = NULL;
	napi_create_reference(env, buffer, 0, &map->mapped);
	return buffer;
}

static void map_finalize(napi_env env, void *data, void *hint)
{
	struct map_handle *map = data;

	(void)hint;
	if (map->mapped)
		napi_delete_reference(env, map->mapped);
	map->mapped = NULL;
	map_release(map);
}

napi_value map_wrap(napi_env env, struct map_handle *map)
{
	napi_property_descriptor methods[] = {
		{ .utf8name = "lookup", .method = map_lookup },
		{ .utf8name = "update", .method = map_update },
		{ .utf8name = "delete", .method = map_delete },
		{ .utf8name = "updateBatch", .method = map_update_batch },
		{ .utf8name = "entries", .method = map_entries },
		{ .utf8name = "mapped", .method = map_mapped },
		{ .utf8name = "sums", .method = map_sums },
	};
	napi_value object, name;

	napi_create_object(env, &object);
	napi_create_string_utf8(env, map->name, NAPI_AUTO_LENGTH, &name);
	napi_set_named_property(env, object, "name", name);
	set_number(env, object, "keySize", map->key_size);
	set_number(env, object, "valueSize", map->value_size);
	set_number(env, object, "maxEntries", map->max_entries);
	napi_define_properties(env, object, sizeof(methods) / sizeof(methods[0]), methods);
	map->references++;
	if (napi_wrap(env, object, map, map_finalize, NULL, NULL) != napi_ok ||
	    napi_type_tag_object(env, object, &MAP_TAG) != napi_ok)
		napi_fatal_error("map_wrap", NAPI_AUTO_LENGTH, "cannot wrap a map",
				 NAPI_AUTO_LENGTH);
	return object;
}
