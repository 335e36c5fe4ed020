/*
 * Tells TypeScript the layouts of dataplane_abi.h. Every struct lists its fields here; a field that
 * is missing makes the sizes disagree and the build fail. A test compares constants and structs
 * with the header's text.
 */
#include "bpf.h"

#define CONFIG_FIELDS(X)                                                                           \
	X(tg_config, abi_version) X(tg_config, flow_mask) X(tg_config, reverse_mask)               \
	X(tg_config, nat_port_first) X(tg_config, nat_port_last) X(tg_config, hash_seed)           \
	X(tg_config, tcp_half_open_s) X(tg_config, tcp_established_s) X(tg_config, tcp_closing_s)  \
	X(tg_config, udp_s) X(tg_config, udp_stream_s) X(tg_config, pad)

#define VIP_KEY_FIELDS(X)                                                                          \
	X(tg_vip_key, addr) X(tg_vip_key, port) X(tg_vip_key, proto) X(tg_vip_key, pad)

#define VIP_FIELDS(X)                                                                              \
	X(tg_vip, server) X(tg_vip, flags) X(tg_vip, ring_chunk) X(tg_vip, ring_offset)            \
	X(tg_vip, ring_size) X(tg_vip, affinity_s)

#define SERVER_FIELDS(X)                                                                           \
	X(tg_server, addr) X(tg_server, port) X(tg_server, proto) X(tg_server, in_use)             \
	X(tg_server, pad)

#define BACKEND_FIELDS(X)                                                                          \
	X(tg_backend, addr) X(tg_backend, nat_addr) X(tg_backend, port) X(tg_backend, flags)       \
	X(tg_backend, ifindex) X(tg_backend, dst_mac) X(tg_backend, src_mac) X(tg_backend, mtu)    \
	X(tg_backend, generation) X(tg_backend, server) X(tg_backend, pad)

#define AFFINITY_KEY_FIELDS(X)                                                                     \
	X(tg_affinity_key, client) X(tg_affinity_key, server) X(tg_affinity_key, pad)

#define AFFINITY_FIELDS(X)                                                                         \
	X(tg_affinity, backend) X(tg_affinity, generation) X(tg_affinity, pad)                     \
	X(tg_affinity, last_ns)

#define FLOW_FIELDS(X)                                                                             \
	X(tg_flow, tag) X(tg_flow, proto) X(tg_flow, state) X(tg_flow, flags) X(tg_flow, client)   \
	X(tg_flow, client_port) X(tg_flow, nat_port) X(tg_flow, server) X(tg_flow, backend)        \
	X(tg_flow, last_s) X(tg_flow, client_mac) X(tg_flow, local_mac)                            \
	X(tg_flow, client_ifindex) X(tg_flow, reverse_slot) X(tg_flow, handshake_ack)

#define STATS_FIELDS(X)                                                                            \
	X(tg_stats, new_flows) X(tg_stats, in_packets) X(tg_stats, in_bytes)                       \
	X(tg_stats, out_packets) X(tg_stats, out_bytes)

#define ABI_STRUCTS(X)                                                                             \
	X(tg_config, CONFIG_FIELDS) X(tg_vip_key, VIP_KEY_FIELDS) X(tg_vip, VIP_FIELDS)            \
	X(tg_server, SERVER_FIELDS) X(tg_backend, BACKEND_FIELDS)                                  \
	X(tg_affinity_key, AFFINITY_KEY_FIELDS) X(tg_affinity, AFFINITY_FIELDS)                    \
	X(tg_flow, FLOW_FIELDS) X(tg_stats, STATS_FIELDS)

#define ABI_CONSTANTS(X)                                                                           \
	X(TG_ABI_VERSION) X(TG_RING_CHUNK_ENTRIES) X(TG_RING_CHUNKS_MAX)                           \
	X(TG_VIP_HASH_CLIENT_ONLY)                                                                 \
	X(TG_BACKEND_REACHABLE) X(TG_BACKEND_ACTIVE) X(TG_BACKEND_KEEPS_UDP) X(TG_FLOW_WAYS)       \
	X(TG_FLOW_FREE) X(TG_FLOW_SWEPT) X(TG_FLOW_TAG_MIN) X(TG_FLOW_TAG_RANDOM_BITS)             \
	X(TG_FLOW_CLAIMED) X(TG_FLOW_HALF_OPEN) X(TG_FLOW_ESTABLISHED) X(TG_FLOW_CLOSING)          \
	X(TG_FLOW_UDP) X(TG_FLOW_UDP_STREAM) X(TG_FLOW_FIN_CLIENT) X(TG_FLOW_FIN_BACKEND)          \
	X(TG_FLOW_RST_CLIENT) X(TG_FLOW_RST_BACKEND) X(TG_FLOW_SYN_ACK) X(TG_FLOW_CONFIRMED)       \
	X(TG_NAT_PORT_TRIES)

struct abi_field {
	const char *name;
	size_t offset;
};

struct abi_struct {
	const char *name;
	size_t size;
	const struct abi_field *fields;
	size_t count;
};

#define FIELD_SIZE(type, field) +sizeof(((struct type *)0)->field)
#define FIELD_ENTRY(type, field) { #field, offsetof(struct type, field) },
#define STRUCT_CHECK(type, fields)                                                                 \
	_Static_assert((0 fields(FIELD_SIZE)) == sizeof(struct type), #type " lists all fields");
#define STRUCT_FIELDS(type, fields)                                                                \
	static const struct abi_field type##_fields[] = { fields(FIELD_ENTRY) };
#define STRUCT_ENTRY(type, fields)                                                                 \
	{ #type, sizeof(struct type), type##_fields,                                               \
	  sizeof(type##_fields) / sizeof(*type##_fields) },

ABI_STRUCTS(STRUCT_CHECK)
ABI_STRUCTS(STRUCT_FIELDS)

static const struct abi_struct STRUCTS[] = { ABI_STRUCTS(STRUCT_ENTRY) };

static napi_value describe_struct(napi_env env, const struct abi_struct *description)
{
	napi_value result, offsets;

	napi_create_object(env, &result);
	napi_create_object(env, &offsets);
	for (size_t i = 0; i < description->count; i++)
		set_number(env, offsets, description->fields[i].name,
			   (double)description->fields[i].offset);
	set_number(env, result, "size", (double)description->size);
	napi_set_named_property(env, result, "offsets", offsets);
	return result;
}

static napi_value describe_counters(napi_env env)
{
#define COUNTER_NAME(name) #name,
	static const char *const names[] = { TG_COUNTERS(COUNTER_NAME) };
	napi_value array, name;

	napi_create_array(env, &array);
	for (uint32_t i = 0; i < TG_COUNTER_COUNT; i++) {
		napi_create_string_utf8(env, names[i], NAPI_AUTO_LENGTH, &name);
		napi_set_element(env, array, i, name);
	}
	return array;
}

napi_value abi_describe(napi_env env, napi_callback_info info)
{
	napi_value abi, structs, constants;

	(void)info;
	napi_create_object(env, &abi);
	napi_create_object(env, &structs);
	napi_create_object(env, &constants);
	for (size_t i = 0; i < sizeof(STRUCTS) / sizeof(*STRUCTS); i++)
		napi_set_named_property(env, structs, STRUCTS[i].name,
					describe_struct(env, &STRUCTS[i]));
#define CONSTANT_SET(name) set_number(env, constants, #name, (double)(name));
	ABI_CONSTANTS(CONSTANT_SET)
	set_number(env, abi, "version", TG_ABI_VERSION);
	napi_set_named_property(env, abi, "structs", structs);
	napi_set_named_property(env, abi, "constants", constants);
	napi_set_named_property(env, abi, "counters", describe_counters(env));
	return abi;
}
