/*
 * `tidegate trace`: the same program, compiled a second time with TG_TRACE (trace.bpf.c), runs one
 * packet with the live maps, tells its decisions and changes nothing.
 *
 * Nothing, because each look-up in a map copies what it finds into `overlay`, a map of the trace's
 * own, and gives that copy: whatever the program writes then, plain, atomic or by a helper, it
 * writes there, and reads there again. So packets of one conversation see each other's effects and
 * nobody else does, until user space empties the overlay. No code in between needs to know.
 *
 * In the normal build none of this exists.
 */
#ifndef TIDEGATE_TRACE_H
#define TIDEGATE_TRACE_H

#ifndef TG_TRACE

#define TRACE(...) ((void)0)
#define own_map_lookup bpf_map_lookup_elem
#define APART __always_inline

#else

/* A function of its own, as all in one would need more stack than there is. */
#define APART __noinline

/* The longest key and value of the maps; beyond, the overlay's static assertions fail. */
#define OVERLAY_KEY_WORDS 6
#define OVERLAY_VALUE_WORDS 24
/* One packet looks up some hundred elements at most. */
#define OVERLAY_MAX 16384

struct overlay_key {
	__u64 map;
	__u64 key[OVERLAY_KEY_WORDS];
};

struct overlay_value {
	__u64 words[OVERLAY_VALUE_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OVERLAY_MAX);
	__type(key, struct overlay_key);
	__type(value, struct overlay_value);
} overlay SEC(".maps");

/* What does not go on the stack, which is small. One trace runs at a time. */
struct trace_memory {
	struct overlay_key key;
	struct overlay_value blank; /* stays zero */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_memory);
} trace_memory SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tg_trace);
} trace_log SEC(".maps");

/* A look-up in a map that is this program's alone, and may be written. */
static __always_inline void *own_map_lookup(void *map, const void *key)
{
	return bpf_map_lookup_elem(map, key);
}

static __always_inline long own_map_update(void *map, const void *key, const void *value)
{
	return bpf_map_update_elem(map, key, value, BPF_ANY);
}

static __always_inline struct trace_memory *trace_memory_get(void)
{
	__u32 zero = 0;

	return own_map_lookup(&trace_memory, &zero);
}

/*
 * The overlay's copy of what `map` holds at the key in the memory, made now if it is the first
 * look-up; NULL when the map holds nothing. `add`: an empty one then. The size is a constant at each
 * call. By itself, and with little on its stack, as the program's own is nearly used up.
 */
static __noinline void *overlay_get(void *map, __u64 value_size, int add)
{
	struct trace_memory *memory = trace_memory_get();
	const __u64 *live;
	__u64 *copy;
	__u64 i;

	if (!memory)
		return NULL;
	copy = own_map_lookup(&overlay, &memory->key);
	if (copy)
		return copy;
	live = own_map_lookup(map, memory->key.key);
	if ((!live && !add) || own_map_update(&overlay, &memory->key, &memory->blank))
		return NULL;
	copy = own_map_lookup(&overlay, &memory->key);
	if (!copy || !live)
		return copy;
	for (i = 0; i < value_size / 8; i++)
		copy[i] = live[i];
	if (value_size & 4)
		*(__u32 *)(copy + i) = *(const __u32 *)(live + i);
	if (value_size & 1)
		*(__u8 *)(copy + i) = *(const __u8 *)(live + i);
	return copy;
}

#define overlay_find(table, key_bytes, add)                                                        \
	({                                                                                         \
		struct trace_memory *memory_ = trace_memory_get();                                 \
		_Static_assert(sizeof(*(table)->key) <= sizeof(memory_->key.key),                  \
			       "OVERLAY_KEY_WORDS must be larger");                                \
		_Static_assert(sizeof(*(table)->value) <= sizeof(struct overlay_value),            \
			       "OVERLAY_VALUE_WORDS must be larger; for a map of the program's "   \
			       "own, use own_map_lookup");                                         \
		_Static_assert(sizeof(*(table)->value) % 4 == 0 || sizeof(*(table)->value) == 1,   \
			       "overlay_get copies such sizes only");                              \
		if (memory_) {                                                                     \
			__builtin_memset(&memory_->key, 0, sizeof(memory_->key));                  \
			memory_->key.map = (__u64)(table);                                         \
			__builtin_memcpy(memory_->key.key, key_bytes, sizeof(*(table)->key));      \
		}                                                                                  \
		overlay_get(table, sizeof(*(table)->value), add);                                  \
	})

#define overlay_lookup(table, key_bytes) overlay_find(table, key_bytes, 0)

/* BPF_NOEXIST is not asked: who uses it knows that the key was not there. */
#define overlay_update(table, key_bytes, value_bytes, flags)                                       \
	({                                                                                         \
		void *there_ = overlay_find(table, key_bytes, 1);                                  \
		if (there_)                                                                        \
			__builtin_memcpy(there_, (value_bytes), sizeof(*(table)->value));          \
		there_ ? 0 : -1;                                                                   \
	})

#define bpf_map_lookup_elem overlay_lookup
#define bpf_map_update_elem overlay_update
/* What would change a map in another way must find its answer here first. */
#pragma clang poison bpf_map_delete_elem bpf_map_push_elem bpf_map_pop_elem
#pragma clang poison bpf_spin_lock bpf_timer_init bpf_timer_start
#pragma clang poison bpf_ringbuf_reserve bpf_ringbuf_output bpf_perf_event_output

static __noinline struct tg_trace_step *trace_step(enum tg_trace_step_name name)
{
	__u32 zero = 0;
	struct tg_trace *log = own_map_lookup(&trace_log, &zero);
	struct tg_trace_step *step;

	if (!log || log->count >= TG_TRACE_STEPS_MAX)
		return NULL;
	step = &log->steps[log->count];
	step->name = name;
	log->count++;
	return step;
}

/* Tells a step of TG_TRACE_STEPS with its words. */
#define TRACE(step_name, ...)                                                                      \
	({                                                                                         \
		struct tg_trace_step *step_ = trace_step(TG_TRACE_##step_name);                    \
		if (step_) {                                                                       \
			const __u64 words_[TG_TRACE_WORDS] = { __VA_ARGS__ };                      \
			__builtin_memcpy(step_->words, words_, sizeof(words_));                    \
		}                                                                                  \
	})

#endif

#endif
