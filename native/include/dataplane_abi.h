/*
 * The one definition of what the XDP program, the addon and the TypeScript side share: every map's
 * key and value. The BPF program and the addon include it; TypeScript asks the addon for sizes and
 * offsets (`abi()`), which the C compiler took from here. Nobody keeps a copy.
 *
 * Conventions: addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; `be16` fields are
 * in network order; everything else is in host order. Change a layout: raise TG_ABI_VERSION.
 */
#ifndef TIDEGATE_DATAPLANE_ABI_H
#define TIDEGATE_DATAPLANE_ABI_H

#include <linux/types.h>

#define TG_ABI_VERSION 1

/*
 * Entries of one ring chunk (u32 each): the largest ring, and the unit in which ring memory grows.
 */
#define TG_RING_CHUNK_ENTRIES 131072
#define TG_RING_CHUNKS_MAX 1024

/* `config`, ARRAY of one: written by user space before the program is attached. */
struct tg_config {
	__u32 abi_version;
	__u32 flow_mask;    /* flow table entries - 1; a power of two, in sets of TG_FLOW_WAYS */
	__u32 reverse_mask; /* reverse index slots - 1; a power of two, twice the flows */
	__u16 nat_port_first;
	__u16 nat_port_last; /* inclusive */
	__u64 hash_seed;     /* random, chosen once; kept while the flow table lives */
	/* Idle timeouts in seconds. */
	__u32 tcp_half_open_s;
	__u32 tcp_established_s;
	__u32 tcp_closing_s;
	__u32 udp_s;        /* one-way */
	__u32 udp_stream_s; /* answered */
	__u32 pad;
};

/*
 * `vips`, HASH, not preallocated: an update replaces the element as a whole, so a ring is never
 * read torn.
 */
struct tg_vip_key {
	__u8 addr[16];
	__be16 port;
	__u8 proto; /* IPPROTO_TCP or IPPROTO_UDP; port 0 and proto 0: "this address is a VIP" */
	__u8 pad;
};

struct tg_vip {
	__u32 server; /* index into `servers` */
	__u32 flags;  /* TG_VIP_* */
	__u32 ring_chunk;
	__u32 ring_offset; /* first entry within the chunk */
	__u32 ring_size;   /* 0: nobody takes new flows */
	__u32 affinity_s;  /* 0: no ClientIP affinity */
};

/*
 * Choose by client address alone, so that affinity holds also where the affinity map lost its
 * entry.
 */
#define TG_VIP_HASH_CLIENT_ONLY 1u

/*
 * `servers`, mmapable ARRAY: what a flow needs to translate back. Written before the VIP refers to
 * it; the index is reused only after the sweeper saw no flow that holds it.
 */
struct tg_server {
	__u8 addr[16];
	__be16 port;
	__u8 proto;
	__u8 in_use;
	__u32 pad;
};

/*
 * `backends`, mmapable ARRAY, indexed by what rings, flows and affinity entries hold; 0 is never
 * used. One cache line. Reused like a server's index, and with another `generation`. Address, port
 * and nat_addr stay as they are while flows hold it: they are part of those flows' identity. To
 * take one out, change the ring first and the flags after it, so that no new flow meets a closed
 * door.
 */
struct tg_backend {
	__u8 addr[16];
	__u8 nat_addr[16]; /* source of packets to it: an address of this box */
	__be16 port;
	__u16 flags; /* TG_BACKEND_* */
	__u32 ifindex;
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u16 mtu; /* of the way out */
	__u16 generation;
	__u32 server;
	__u32 pad;
};

#define TG_BACKEND_REACHABLE 1u /* ifindex and the MACs are valid */
#define TG_BACKEND_ACTIVE 2u    /* takes new flows */
#define TG_BACKEND_KEEPS_UDP 4u /* draining: its UDP flows stay; otherwise they move at once */

/* `affinity`, LRU_HASH. */
struct tg_affinity_key {
	__u8 client[16];
	__u32 server;
	__u32 pad;
};

struct tg_affinity {
	__u32 backend;
	__u16 generation;
	__u16 pad;
	__u64 last_ns; /* CLOCK_MONOTONIC */
};

/*
 * `flows`, mmapable ARRAY: the flow table, owned and aged by us (never evicted at random). One
 * entry, one cache line, one flow, both directions: 64 bytes of table and 16 of reverse index a
 * flow.
 *
 * The forward direction finds it in the set its hash chooses (TG_FLOW_WAYS neighbours); the reverse
 * direction by `reverse`. The first eight bytes, `union tg_flow_word`, are only ever changed as
 * one, by compare-and-exchange; xdp/flow.h states the protocol and why it holds:
 *
 *   free      tag 0
 *   claimed   tag set, state TG_FLOW_CLAIMED: belongs to whoever claimed it, nobody else reads it
 *   live      tag set, state set: readable; a reader checks the tag again after reading
 */
#define TG_FLOW_WAYS 8
#define TG_FLOW_FREE 0u
#define TG_FLOW_SWEPT 1u    /* tag of an entry that the sweeper (one at a time) has claimed */
#define TG_FLOW_TAG_MIN 2u

/*
 * Hash bits above, random bits below: a reader tells a flow from its successor in the same entry.
 */
#define TG_FLOW_TAG_RANDOM_BITS 8

union tg_flow_word {
	__u64 raw;
	struct {
		__u32 tag;
		__u8 proto;
		__u8 state; /* enum tg_flow_state */
		__u16 flags; /* TG_FLOW_* */
	};
};

struct tg_flow {
	/* These four are a `union tg_flow_word`. */
	__u32 tag;
	__u8 proto;
	__u8 state;
	__u16 flags;
	__u8 client[16];
	__be16 client_port;
	__be16 nat_port;
	__u32 server;
	__u32 backend;
	__u32 last_s; /* CLOCK_MONOTONIC seconds of the last packet */
	/*
	 * The way back to the client: where its packets come from (learned, refreshed by each
	 * packet).
	 */
	__u8 client_mac[6];
	__u8 local_mac[6];
	__u32 client_ifindex;
	__u32 reverse_slot;  /* frees its NAT port without hash or backend record */
	__u32 handshake_ack; /* TCP: what the client must acknowledge to count as established */
};

enum tg_flow_state {
	TG_FLOW_CLAIMED = 0,
	TG_FLOW_HALF_OPEN = 1, /* SYN seen from the client */
	TG_FLOW_ESTABLISHED = 2,
	TG_FLOW_CLOSING = 3, /* a FIN from both sides, or a RST */
	TG_FLOW_UDP = 4,
	TG_FLOW_UDP_STREAM = 5,
};

#define TG_FLOW_FIN_CLIENT 1u
#define TG_FLOW_FIN_BACKEND 2u
#define TG_FLOW_RST_CLIENT 4u  /* cleared again when that side goes on talking */
#define TG_FLOW_RST_BACKEND 8u
#define TG_FLOW_SYN_ACK 16u   /* the backend answered; handshake_ack is valid */
#define TG_FLOW_CONFIRMED 32u /* the client acknowledged that answer: it is where it says it is */

/*
 * `reverse`, mmapable ARRAY of u32: index of the flow plus one, 0 when free. A flow's slot is
 * (hash(backend address, backend port, protocol, NAT address) + NAT port) & reverse_mask: claiming
 * a NAT port is one compare-and-exchange, the way back is one indexed read, and a port is free per
 * backend, so one NAT address carries far more than 64k flows.
 */

/*
 * `ring_chunks`, ARRAY_OF_MAPS [TG_RING_CHUNKS_MAX] of mmapable ARRAY u32 [TG_RING_CHUNK_ENTRIES].
 */

/* `ports`, DEVMAP_HASH: interfaces packets may leave by; key and value are the ifindex. */

/* `server_stats` and `backend_stats`, PERCPU_ARRAY, by server and backend index. */
struct tg_stats { /* bytes: IP header and payload */
	__u64 new_flows;
	__u64 in_packets; /* from clients */
	__u64 in_bytes;
	__u64 out_packets; /* to clients */
	__u64 out_bytes;
};

/*
 * `counters`, PERCPU_ARRAY of u64: what became of each packet. Names are shown to users as they
 * stand here.
 */
#define TG_COUNTERS(X)                                                                             \
	X(passed)                /* not ours: to the kernel, untouched */                          \
	X(forwarded)             /* client to backend */                                           \
	X(returned)              /* backend to client */                                           \
	X(flow_created)                                                                            \
	X(drop_malformed)        /* a length or header that lies */                                \
	X(drop_no_port)          /* a VIP, but not a port or protocol it serves */                 \
	X(drop_no_backend)       /* served, but no backend takes new flows */                      \
	X(drop_no_flow)          /* TCP in mid-stream that no flow knows */                        \
	X(drop_flow_table_full)  /* no place in the set */                                         \
	X(drop_nat_ports)        /* no free NAT port in TG_NAT_PORT_TRIES tries */                 \
	X(drop_no_neighbour)     /* next hop of the backend not resolved, or no way out */         \
	X(drop_fragment)         /* a fragment to a VIP */                                         \
	X(drop_ttl)              /* TTL or hop limit used up */                                    \
	X(drop_too_big)          /* larger than the way out */                                     \
	X(drop_contended)        /* another CPU was setting up the same flow at that moment */     \
	X(drop_icmp)             /* to a VIP, other than echo requests and neighbour discovery */  \
	X(echo_replied)          /* ICMP echo request to a VIP, answered */

#define TG_COUNTER_ENUM(name) TG_COUNTER_##name,
enum tg_counter { TG_COUNTERS(TG_COUNTER_ENUM) TG_COUNTER_COUNT };

#define TG_NAT_PORT_TRIES 16

_Static_assert(sizeof(struct tg_vip_key) == 20, "vip key");
_Static_assert(sizeof(struct tg_vip) == 24, "vip");
_Static_assert(sizeof(struct tg_server) == 24, "server");
_Static_assert(sizeof(struct tg_backend) == 64, "backend: one cache line");
_Static_assert(sizeof(struct tg_affinity_key) == 24, "affinity key");
_Static_assert(sizeof(struct tg_affinity) == 16, "affinity");
_Static_assert(sizeof(struct tg_flow) == 64, "flow: one cache line");
_Static_assert(sizeof(union tg_flow_word) == 8, "flow word: one atomic");

#endif
