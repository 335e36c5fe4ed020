/*
 * Tells TypeScript the layouts of dataplane_abi.h. Every struct lists its fields here; a field that
 * is missing makes the sizes disagree and the build fail. A test compares constants and structs
 * with the header's text.
 */
#include "bpf.h"

#define CONFIG_FIELDS(X)                                                                           \
	X(tg_config, abi_version) X(tg_config, flow_mask) X(tg_config, reverse_mask)               \
	X(tg_config, nat_port_first) X(tg_config, nat_port_last) X(tg_config, hash_seed)           \
	X(tg_config, cookie_key) X(tg_config, nat_filter) X(tg_config, answer_port_first)          \
	X(tg_config, answer_port_last) X(tg_config, tcp_half_open_s)                               \
	X(tg_config, tcp_established_s) X(tg_config, tcp_closing_s)                                \
	X(tg_config, tcp_time_wait_s) X(tg_config, udp_s)                                          \
	X(tg_config, udp_stream_s) X(tg_config, flags) X(tg_config, new_flows_per_s)               \
	X(tg_config, replies_per_s) X(tg_config, mtu_min) X(tg_config, client_prefix4)             \
	X(tg_config, client_prefix6) X(tg_config, capture) X(tg_config, nat_limit)                 \
	X(tg_config, pad)

#define VIP_KEY_FIELDS(X)                                                                          \
	X(tg_vip_key, addr) X(tg_vip_key, port) X(tg_vip_key, proto) X(tg_vip_key, pad)

#define VIP_FIELDS(X)                                                                              \
	X(tg_vip, server) X(tg_vip, flags) X(tg_vip, ring_chunk) X(tg_vip, ring_offset)            \
	X(tg_vip, ring_size) X(tg_vip, affinity_s) X(tg_vip, affinity_group) X(tg_vip, acl)        \
	X(tg_vip, new_flows_per_s) X(tg_vip, client_new_flows_per_s) X(tg_vip, scheduler)          \
	X(tg_vip, pad)

#define SERVER_FIELDS(X)                                                                           \
	X(tg_server, addr) X(tg_server, port) X(tg_server, proto) X(tg_server, in_use)             \
	X(tg_server, pad)

#define NAT_ADDRESS_FIELDS(X)                                                                      \
	X(tg_nat_address, addr)

#define BACKEND_FIELDS(X)                                                                          \
	X(tg_backend, addr) X(tg_backend, port) X(tg_backend, flags) X(tg_backend, ifindex)        \
	X(tg_backend, dst_mac) X(tg_backend, src_mac) X(tg_backend, mtu)                           \
	X(tg_backend, vlan) X(tg_backend, inner_vlan) X(tg_backend, admit)                         \
	X(tg_backend, server) X(tg_backend, endpoint) X(tg_backend, nat_first)                     \
	X(tg_backend, nat_count) X(tg_backend, pad) X(tg_backend, pad2)

#define AFFINITY_KEY_FIELDS(X)                                                                     \
	X(tg_affinity_key, client) X(tg_affinity_key, group)

#define AFFINITY_FIELDS(X)                                                                         \
	X(tg_affinity, endpoint) X(tg_affinity, pad) X(tg_affinity, last_ns)

#define AFFINITY_BACKEND_KEY_FIELDS(X)                                                             \
	X(tg_affinity_backend_key, server) X(tg_affinity_backend_key, endpoint)

#define ACL_KEY_FIELDS(X)                                                                          \
	X(tg_acl_key, prefix_length) X(tg_acl_key, acl) X(tg_acl_key, addr)

#define INTERFACE_FIELDS(X)                                                                        \
	X(tg_interface, ipv4) X(tg_interface, ipv6) X(tg_interface, mtu)                           \
	X(tg_interface, flags) X(tg_interface, mac) X(tg_interface, pad)

#define FLOW_FIELDS(X)                                                                             \
	X(tg_flow, tag) X(tg_flow, proto) X(tg_flow, state) X(tg_flow, flags)                      \
	X(tg_flow, nat) X(tg_flow, client) X(tg_flow, client_port) X(tg_flow, nat_port)            \
	X(tg_flow, backend) X(tg_flow, client_mac) X(tg_flow, local_mac)                           \
	X(tg_flow, client_ifindex) X(tg_flow, vlan) X(tg_flow, inner_vlan)                         \
	X(tg_flow, last_s) X(tg_flow, client_seq) X(tg_flow, backend_seq)

#define OFFSET_FIELDS(X)                                                                           \
	X(tg_offset, sequence) X(tg_offset, cookie)

#define COOKIES_FIELDS(X)                                                                          \
	X(tg_cookies, sent_s) X(tg_cookies, pad)

#define VIP_LIMIT_FIELDS(X)                                                                        \
	X(tg_vip_limit, all_done_ns) X(tg_vip_limit, proven_done_ns)

#define FRAGMENT_KEY_FIELDS(X)                                                                     \
	X(tg_fragment_key, src) X(tg_fragment_key, dst) X(tg_fragment_key, id)                     \
	X(tg_fragment_key, proto) X(tg_fragment_key, pad)

#define FRAGMENT_FIELDS(X)                                                                         \
	X(tg_fragment, src) X(tg_fragment, dst) X(tg_fragment, dst_mac)                            \
	X(tg_fragment, src_mac) X(tg_fragment, ifindex) X(tg_fragment, vlan)                       \
	X(tg_fragment, inner_vlan) X(tg_fragment, id) X(tg_fragment, server)                       \
	X(tg_fragment, backend) X(tg_fragment, from_client) X(tg_fragment, noted_s)

#define HELD_FRAGMENT_FIELDS(X)                                                                    \
	X(tg_held_fragment, key) X(tg_held_fragment, arrived_ns) X(tg_held_fragment, ifindex)      \
	X(tg_held_fragment, length) X(tg_held_fragment, frame)

#define RING_LINE_FIELDS(X)                                                                        \
	X(tg_ring_line, words)

#define STATS_FIELDS(X)                                                                            \
	X(tg_stats, new_flows) X(tg_stats, in_packets) X(tg_stats, in_bytes)                       \
	X(tg_stats, out_packets) X(tg_stats, out_bytes) X(tg_stats, drops)

#define CAPTURE_FIELDS(X)                                                                          \
	X(tg_capture, vip) X(tg_capture, client) X(tg_capture, mask) X(tg_capture, port)           \
	X(tg_capture, snap_length) X(tg_capture, sample) X(tg_capture, lost)

#define CAPTURED_FIELDS(X)                                                                         \
	X(tg_captured, time_ns) X(tg_captured, id) X(tg_captured, ifindex)                         \
	X(tg_captured, length) X(tg_captured, captured) X(tg_captured, is_out)                     \
	X(tg_captured, verdict) X(tg_captured, pad)

#define CAPTURED_SMALL_FIELDS(X)                                                                   \
	X(tg_captured_small, about) X(tg_captured_small, bytes)

#define CAPTURED_LARGE_FIELDS(X)                                                                   \
	X(tg_captured_large, about) X(tg_captured_large, bytes)

#define TRACE_STEP_FIELDS(X)                                                                       \
	X(tg_trace_step, name) X(tg_trace_step, pad) X(tg_trace_step, words)

#define TRACE_FIELDS(X)                                                                            \
	X(tg_trace, count) X(tg_trace, pad) X(tg_trace, steps)

#define ABI_STRUCTS(X)                                                                             \
	X(tg_config, CONFIG_FIELDS) X(tg_vip_key, VIP_KEY_FIELDS) X(tg_vip, VIP_FIELDS)            \
	X(tg_server, SERVER_FIELDS) X(tg_nat_address, NAT_ADDRESS_FIELDS)                          \
	X(tg_backend, BACKEND_FIELDS) X(tg_affinity_key, AFFINITY_KEY_FIELDS)                      \
	X(tg_affinity, AFFINITY_FIELDS)                                                            \
	X(tg_affinity_backend_key, AFFINITY_BACKEND_KEY_FIELDS)                                    \
	X(tg_acl_key, ACL_KEY_FIELDS) X(tg_interface, INTERFACE_FIELDS)                            \
	X(tg_flow, FLOW_FIELDS) X(tg_offset, OFFSET_FIELDS)                                        \
	X(tg_cookies, COOKIES_FIELDS) X(tg_vip_limit, VIP_LIMIT_FIELDS)                            \
	X(tg_fragment_key, FRAGMENT_KEY_FIELDS) X(tg_fragment, FRAGMENT_FIELDS)                    \
	X(tg_held_fragment, HELD_FRAGMENT_FIELDS)                                                  \
	X(tg_ring_line, RING_LINE_FIELDS) X(tg_stats, STATS_FIELDS)                                \
	X(tg_capture, CAPTURE_FIELDS) X(tg_captured, CAPTURED_FIELDS)                              \
	X(tg_captured_small, CAPTURED_SMALL_FIELDS) X(tg_captured_large, CAPTURED_LARGE_FIELDS)    \
	X(tg_trace_step, TRACE_STEP_FIELDS) X(tg_trace, TRACE_FIELDS)

#define ABI_CONSTANTS(X)                                                                           \
	X(TG_ABI_VERSION) X(TG_RING_CHUNK_ENTRIES) X(TG_RING_CHUNKS_MAX)                           \
	X(TG_CONFIG_REJECT_UNSERVED) X(TG_CONFIG_RESET_UNKNOWN) X(TG_VIP_HASH_CLIENT_ONLY)         \
	X(TG_VIP_RESET_DEAD) X(TG_SCHEDULER_RENDEZVOUS) X(TG_SCHEDULER_HASH)                       \
	X(TG_SCHEDULER_ROUND_ROBIN) X(TG_SCHEDULER_LEAST) X(TG_RENDEZVOUS_MAX)                     \
	X(TG_NAT_ADDRESSES_MAX) X(TG_VLAN_ID) X(TG_VLAN_8021AD) X(TG_BACKEND_REACHABLE)            \
	X(TG_BACKEND_ACTIVE) X(TG_BACKEND_KEEPS_UDP) X(TG_BACKEND_DEAD)                            \
	X(TG_BACKEND_COUNTED) X(TG_INTERFACE_OWN) X(TG_FLOW_WAYS) X(TG_FLOW_FREE)                  \
	X(TG_FLOW_SWEPT) X(TG_FLOW_TAG_MIN) X(TG_FLOW_TAG_RANDOM_BITS) X(TG_SEQUENCE_STEP)         \
	X(TG_FLOW_CLAIMED) X(TG_FLOW_HALF_OPEN) X(TG_FLOW_ESTABLISHED) X(TG_FLOW_CLOSING)          \
	X(TG_FLOW_UDP) X(TG_FLOW_UDP_STREAM) X(TG_FLOW_TIME_WAIT) X(TG_FLOW_FIN_CLIENT)            \
	X(TG_FLOW_FIN_BACKEND) X(TG_FLOW_RST_CLIENT) X(TG_FLOW_RST_BACKEND)                        \
	X(TG_FLOW_ANSWERED) X(TG_FLOW_CONFIRMED) X(TG_FLOW_BACKEND_FIRST)                          \
	X(TG_FLOW_PROXIED) X(TG_CLIENT_LIMITS) X(TG_FRAGMENT_LIFETIME_S)                           \
	X(TG_FRAGMENT_COUNTERS) X(TG_HELD_RING_BYTES) X(TG_HELD_PER_S)                             \
	X(TG_HELD_FRAME_MAX) X(TG_RING_LINE_WORDS) X(TG_NAT_PORT_TRIES)                            \
	X(TG_NAT_PORT_THEFTS) X(TG_CAPTURE_SMALL) X(TG_CAPTURE_LARGE)                              \
	X(TG_CAPTURE_RING_BYTES) X(TG_TRACE_STEPS_MAX) X(TG_TRACE_WORDS)

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

#define NAME(name) #name,
static const char *const COUNTERS[] = { TG_COUNTERS(NAME) };
static const char *const TRACE_STEPS[] = { TG_TRACE_STEPS(NAME) };

static napi_value names_array(napi_env env, const char *const *names, uint32_t count)
{
	napi_value array, name;

	napi_create_array(env, &array);
	for (uint32_t i = 0; i < count; i++) {
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
	napi_set_named_property(env, abi, "counters",
				names_array(env, COUNTERS, TG_COUNTER_COUNT));
	napi_set_named_property(env, abi, "traceSteps",
				names_array(env, TRACE_STEPS, TG_TRACE_STEP_COUNT));
	return abi;
}
