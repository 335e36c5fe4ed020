/*
 * Reads what the program captured: records of a BPF ring buffer, handed to JavaScript in batches. It
 * is asked some fifty times a second while a capture runs, and sleeps otherwise.
 */
#include "bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct capture_reader {
	struct ring_buffer *ring;
	napi_ref object; /* keeps the map */
	/* Of the read that is under way. */
	char *bytes;
	size_t used;
	size_t room;
	uint32_t lost; /* since it was opened */
};

static const napi_type_tag READER_TAG = { 0x636170742d746964ull, 0x65676174652d6270ull };

/* One record: struct tg_captured and as many bytes as it says. */
static int take_record(void *context, void *data, size_t size)
{
	struct capture_reader *reader = context;
	const struct tg_captured *about = data;
	size_t length = sizeof(*about) + about->captured;

	if (size < sizeof(*about) || length > size)
		return 0;
	if (reader->used + length > reader->room) {
		reader->lost++; /* packets came faster than they were copied */
		return 0;
	}
	memcpy(reader->bytes + reader->used, data, length);
	reader->used += length;
	return 0;
}

static void reader_close(struct capture_reader *reader)
{
	if (reader->ring)
		ring_buffer__free(reader->ring);
	reader->ring = NULL;
	free(reader->bytes);
	reader->bytes = NULL;
}

static struct capture_reader *reader_this(napi_env env, napi_callback_info info)
{
	struct capture_reader *reader = NULL;
	bool is_reader = false;
	napi_value this;

	if (napi_get_cb_info(env, info, NULL, NULL, &this, NULL) != napi_ok ||
	    napi_check_object_type_tag(env, this, &READER_TAG, &is_reader) != napi_ok ||
	    !is_reader || napi_unwrap(env, this, (void **)&reader) != napi_ok)
		napi_throw_type_error(env, "EINVAL", "This method belongs to a capture");
	return reader;
}

/* All records there are now, one after another without gaps. */
static napi_value reader_read(napi_env env, napi_callback_info info)
{
	struct capture_reader *reader = reader_this(env, info);
	napi_value result, bytes;
	void *copy;
	int error;

	if (!reader)
		return NULL;
	if (!reader->ring)
		return bpf_error_throw(env, EBADF, "The capture is closed");
	reader->used = 0;
	error = ring_buffer__consume(reader->ring);
	if (error < 0)
		return bpf_error_throw(env, error, "Cannot read captured packets");
	bytes = new_bytes(env, reader->used, &copy);
	if (!bytes)
		return NULL;
	if (reader->used)
		memcpy(copy, reader->bytes, reader->used);
	napi_create_object(env, &result);
	napi_set_named_property(env, result, "records", bytes);
	set_number(env, result, "lost", reader->lost);
	return result;
}

static napi_value reader_close_method(napi_env env, napi_callback_info info)
{
	struct capture_reader *reader = reader_this(env, info);

	if (reader)
		reader_close(reader);
	return NULL;
}

static void reader_finalize(napi_env env, void *data, void *hint)
{
	struct capture_reader *reader = data;

	(void)hint;
	reader_close(reader);
	napi_delete_reference(env, reader->object);
	free(reader);
}

napi_value capture_open(napi_env env, napi_callback_info info)
{
	napi_property_descriptor methods[] = {
		{ .utf8name = "read", .method = reader_read },
		{ .utf8name = "close", .method = reader_close_method },
	};
	struct capture_reader *reader;
	struct object_handle *handle;
	struct map_handle *map;
	napi_value argv[1], result;
	size_t argc = 1;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok)
		return NULL;
	handle = object_unwrap(env, argv[0]);
	if (!handle)
		return NULL;
	map = map_find(handle, "captured_packets");
	if (!map)
		return bpf_error_throw(env, EINVAL, "The object captures no packets");
	if (libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) != 1)
		return bpf_error_throw(env, EOPNOTSUPP, "Capturing needs Linux 5.18");
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return bpf_error_throw(env, ENOMEM, "Cannot capture packets");
	/* Packets go on coming while it reads. */
	reader->room = 2 * TG_CAPTURE_RING_BYTES;
	reader->bytes = malloc(reader->room);
	reader->ring = ring_buffer__new(map->fd, take_record, reader, NULL);
	if (!reader->bytes || !reader->ring) {
		int error = errno;

		reader_close(reader);
		free(reader);
		return bpf_error_throw(env, error, "Cannot capture packets");
	}
	napi_create_object(env, &result);
	napi_define_properties(env, result, sizeof(methods) / sizeof(methods[0]), methods);
	napi_create_reference(env, argv[0], 1, &reader->object);
	if (napi_wrap(env, result, reader, reader_finalize, NULL, NULL) != napi_ok ||
	    napi_type_tag_object(env, result, &READER_TAG) != napi_ok)
		napi_fatal_error("capture_open", NAPI_AUTO_LENGTH, "cannot wrap a capture",
				 NAPI_AUTO_LENGTH);
	return result;
}
