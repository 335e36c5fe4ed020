/* What the files of the BPF part share. */
#ifndef TIDEGATE_ADDON_BPF_H
#define TIDEGATE_ADDON_BPF_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "addon.h"
#include "dataplane_abi.h"

#define BPF_NAME_MAX 64
#define BPF_MAPS_MAX 64
#define BPF_PATH_MAX 4096

struct bpf_object;
struct bpf_program;
struct bpf_map;
struct bpf_test_run_opts;

/*
 * One map. Held by its JavaScript object and by the object it belongs to; the last one frees it.
 * `fd` is -1 once the object was closed.
 */
struct map_handle {
	int references;
	int fd;
	char name[BPF_NAME_MAX];
	__u32 type;
	__u32 key_size;
	__u32 value_size;
	__u32 max_entries;
	napi_ref mapped; /* weak: the ArrayBuffer while somebody uses it */
};

/* A map's values in memory, for the sweeper. */
struct mapping {
	void *memory;
	size_t size;
};

struct object_handle {
	struct bpf_object *object; /* NULL once closed */
	struct bpf_program *program;
	char pin_dir[BPF_PATH_MAX]; /* empty: nothing is pinned */
	bool pinned[BPF_MAPS_MAX]; /* in the order of the object file */
	struct map_handle *maps[BPF_MAPS_MAX];
	int map_count;
	struct map_handle *chunks[TG_RING_CHUNKS_MAX];
	struct mapping flows;
	struct mapping flow_hints;
	struct mapping reverse;
	struct mapping servers;
	struct mapping backends;
	struct mapping backend_flows;
	struct mapping nat_addresses;
	int works; /* running on other threads; what they use is freed after the last of them */
	bool collected;
};

/* abi.c */
napi_value abi_describe(napi_env env, napi_callback_info info);

/* bpf_error.c: libbpf's words are kept instead of printed, and told with the next error. */
void bpf_error_capture(void);
void bpf_error_forget(void);
/* Carries the words from the thread where they were said; to be freed. NULL when there are none. */
char *bpf_error_take(void);
void bpf_error_give(const char *text);
/*
 * `error` is an errno, negative or not. Throws an Error with `code`, the sentence and the log's
 * tail.
 */
napi_value bpf_error_throw(napi_env env, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* What exists does not fit to what is asked for: code EABI. */
napi_value bpf_error_throw_abi(napi_env env, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* bpf_map.c */
struct map_handle *map_open(napi_env env, int fd, const char *name);
/* NULL when the object has none of this name. */
struct map_handle *map_find(const struct object_handle *handle, const char *name);
void map_release(struct map_handle *map);
void map_close(struct map_handle *map);
napi_value map_wrap(napi_env env, struct map_handle *map);
/* Bytes of the mapped values: each is padded to 8. */
size_t map_mapped_size(const struct map_handle *map);

/* bpf_pin.c */
/*
 * Checks what is pinned against the object and takes it over; false when an exception is pending.
 */
bool pins_reuse(napi_env env, struct object_handle *handle);
bool pins_create(napi_env env, struct object_handle *handle);
bool maps_share(napi_env env, struct object_handle *handle, const struct object_handle *from);
/* `mkdir -p` of the folder that will hold `path`; 0 or an errno. */
int pin_make_parent(const char *path);

/* bpf_ring.c */
napi_value ring_chunk_add(napi_env env, napi_callback_info info);
napi_value ring_chunk_find(napi_env env, napi_callback_info info);

/* bpf_object.c */
napi_value object_load(napi_env env, napi_callback_info info);
napi_value object_load_later(napi_env env, napi_callback_info info);
struct object_handle *object_unwrap(napi_env env, napi_value value);
/*
 * The object a method was called on, with up to `argc` arguments; NULL when an exception is
 * pending.
 */
struct object_handle *object_this(napi_env env, napi_callback_info info, size_t argc,
				  napi_value *argv);
void object_work_begin(struct object_handle *handle);
void object_work_end(struct object_handle *handle);

/* bpf_run.c */
napi_value program_attach(napi_env env, napi_callback_info info);
napi_value program_test_run(napi_env env, napi_callback_info info);
napi_value program_test_repeat(napi_env env, napi_callback_info info);
napi_value program_test_live(napi_env env, napi_callback_info info);

struct test_frame {
	void *bytes;
	size_t size;
	__u32 ifindex; /* that it comes in by; 0: none */
	__u32 linear;  /* how much is in its first buffer; 0: as much as fits (Linux 6.18) */
};

/* `out` may be NULL. What comes out is told in `options`. 0 or an errno. */
int program_run(int program, const struct test_frame *frame, int repeat, void *out,
		size_t out_size, struct bpf_test_run_opts *options);

/* fragment_hold.c */
napi_value fragments_hold(napi_env env, napi_callback_info info);

/* flow_list.c */
napi_value flows_list(napi_env env, napi_callback_info info);

/* capture.c */
napi_value capture_open(napi_env env, napi_callback_info info);

/* flow_sweep.c */
napi_value flows_sweep(napi_env env, napi_callback_info info);

/* flow_end.c */
napi_value flows_end(napi_env env, napi_callback_info info);

/* bpf_value.c: JavaScript values. Each returns false with an exception pending. */
bool value_bytes(napi_env env, napi_value value, const char *what, size_t least, void **data,
		 size_t *size);
bool value_u32(napi_env env, napi_value value, const char *what, __u32 *number);
bool value_string(napi_env env, napi_value value, const char *what, char *text, size_t size);
napi_value property(napi_env env, napi_value object, const char *name);
void set_number(napi_env env, napi_value object, const char *name, double number);
napi_value new_bytes(napi_env env, size_t size, void **data);

#endif
