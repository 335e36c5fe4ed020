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

#define TG_ABI_VERSION 2

/*
 * Words of one ring chunk (u32 each): the largest ring, and the unit in which ring memory grows.
 */
#define TG_RING_CHUNK_ENTRIES 131072
#define TG_RING_CHUNKS_MAX 1024

/*
 * `config`, mmapable ARRAY of one: written by user space before the program is attached; single
 * fields may change later.
 */
struct tg_config {
	__u32 abi_version;
	__u32 flow_mask;    /* flow table entries - 1; a power of two, in sets of TG_FLOW_WAYS */
	__u32 reverse_mask; /* reverse index slots - 1; a power of two, twice the flows */
	__u16 nat_port_first;
	__u16 nat_port_last; /* inclusive */
	__u64 hash_seed;     /* random, chosen once; kept while the flow table lives */
	__u64 cookie_key[2]; /* of SYN cookies; random, chosen once */
	/*
	 * Which last bytes (modulo 64) NAT addresses end with: most packets that are not ours are
	 * known by it before the reverse index is asked.
	 */
	__u64 nat_filter;
	/*
	 * Ports that answers may come to: the NAT ports, and those of earlier settings, which flows
	 * may still have.
	 */
	__u16 answer_port_first;
	__u16 answer_port_last; /* inclusive */
	/* Idle timeouts in seconds. */
	__u32 tcp_half_open_s;
	__u32 tcp_established_s;
	__u32 tcp_closing_s;
	__u32 tcp_time_wait_s;
	__u32 udp_s;        /* one-way: counted from its first packet */
	__u32 udp_stream_s; /* answered, and the client went on */
	__u32 flags;        /* TG_CONFIG_* */
	__u32 new_flows_per_s; /* a CPU; beyond it SYNs get cookies, new UDP flows are dropped */
	__u32 replies_per_s;   /* a CPU: ICMP errors and resets of our own */
	__u32 mtu_min;         /* the smallest MTU of all ports: what fits it fits everywhere */
	__u8 client_prefix4;   /* what counts as one client for limits, in bits */
	__u8 client_prefix6;
	__u16 capture; /* 1 while somebody captures: see `capture_filter` */
	__u32 nat_limit; /* places of `nat_addresses` from here on are free */
	__u32 pad;
};

#define TG_CONFIG_REJECT_UNSERVED 1u /* port of a VIP: TCP RST, ICMP port unreachable; else drop */
#define TG_CONFIG_RESET_UNKNOWN 2u   /* TCP in mid-stream without a flow: RST; else drop */

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
	__u32 ring_offset; /* first word within the chunk; even for rendezvous */
	__u32 ring_size;   /* places; 0: nobody takes new flows */
	__u32 affinity_s;  /* 0: no ClientIP affinity */
	__u64 affinity_group; /* the ports of a Service share it */
	__u32 acl;            /* loadBalancerSourceRanges: id in `acl`; 0: everybody */
	__u32 new_flows_per_s;        /* 0: no limit */
	__u32 client_new_flows_per_s; /* a client prefix; 0: no limit */
	__u8 scheduler;               /* enum tg_scheduler */
	__u8 pad[3];
};

/*
 * Choose by client address alone, so that affinity holds also where the affinity map lost its
 * entry.
 */
#define TG_VIP_HASH_CLIENT_ONLY 1u
/* A dead backend's TCP flows are reset; otherwise left alone. */
#define TG_VIP_RESET_DEAD 2u

/* How a place of the ring is chosen for a new flow. A ring of backend indices, but for the first. */
enum tg_scheduler {
	/*
	 * At most TG_RENDEZVOUS_MAX places of two words, backend index and its `endpoint`: the
	 * highest hash of client and endpoint wins. Who leaves moves only his own flows.
	 */
	TG_SCHEDULER_RENDEZVOUS = 0,
	TG_SCHEDULER_HASH = 1,        /* Maglev table */
	TG_SCHEDULER_ROUND_ROBIN = 2, /* in turn, by the server's cursor */
	TG_SCHEDULER_LEAST = 3,       /* of some places the backend with fewest flows */
};

#define TG_RENDEZVOUS_MAX 16

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

/* `nat_addresses`, mmapable ARRAY [TG_NAT_ADDRESSES_MAX]: sources of packets to backends. */
#define TG_NAT_ADDRESSES_MAX 256

struct tg_nat_address {
	__u8 addr[16]; /* stays as it is while flows hold its index */
};

/*
 * `backends`, mmapable ARRAY, indexed by what rings, flows and affinity entries hold; 0 is never
 * used. One cache line. Reused like a server's index. Address, port and server stay as they are
 * while flows hold it: they are part of those flows' identity. To take one out, change the ring
 * first and the flags after it, so that no new flow meets a closed door.
 */
struct tg_backend {
	__u8 addr[16];
	__be16 port;
	__u16 flags; /* TG_BACKEND_* */
	__u32 ifindex;
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u16 mtu; /* of the way out */
	__be16 vlan; /* of the way out: TG_VLAN_*; 0: none */
	__be16 inner_vlan; /* of the second tag */
	__u16 admit; /* of 256 new flows it is offered, how many it takes; fewer in slow start */
	__u32 server;
	__u32 endpoint; /* hash of its address: equal on every box and port */
	/* Its NAT addresses: `nat_count` entries of `nat_addresses` from `nat_first` on. */
	__u8 nat_first;
	__u8 nat_count;
	__u16 pad;
	__u64 pad2;
};

/*
 * A VLAN as packets' tags name it, in network order: its number and the type of its tag, 802.1Q
 * (0x8100) or 802.1ad (0x88a8). The priority bits are each packet's own.
 */
#define TG_VLAN_ID 4095u
#define TG_VLAN_8021AD 32768u

#define TG_BACKEND_REACHABLE 1u /* ifindex and the MACs are valid */
#define TG_BACKEND_ACTIVE 2u    /* takes new flows */
#define TG_BACKEND_KEEPS_UDP 4u /* draining: its UDP flows stay; otherwise they move at once */
#define TG_BACKEND_DEAD 8u      /* its health check failed: see TG_VIP_RESET_DEAD */
#define TG_BACKEND_COUNTED 16u  /* its flows are counted in `backend_flows` */

/*
 * `backend_flows`, mmapable ARRAY of u64 by backend index: flows that are not closing, for
 * TG_SCHEDULER_LEAST. Counted by the program, put right by each sweep.
 */

/* `cursors`, ARRAY of u64 by server index, for TG_SCHEDULER_ROUND_ROBIN. */

/* `affinity`, LRU_HASH. */
struct tg_affinity_key {
	__u8 client[16];
	__u64 group;
};

struct tg_affinity {
	__u32 endpoint;
	__u32 pad;
	__u64 last_ns; /* CLOCK_MONOTONIC */
};

/* `affinity_backends`, HASH, of servers with affinity: the backend index of an endpoint. */
struct tg_affinity_backend_key {
	__u32 server;
	__u32 endpoint;
};

/*
 * `acl`, LPM_TRIE: client prefixes that may use the VIPs of an ACL, all of those VIPs' family
 * (::/0 would take in IPv4). The value says nothing.
 */
struct tg_acl_key {
	__u32 prefix_length; /* of what follows: 32 and the prefix's, IPv4 counted from 96 */
	__u32 acl;
	__u8 addr[16];
};

/*
 * `interfaces`, HASH by ifindex: what is said in the box's own name (ICMP errors), and how large a
 * packet to a client may be.
 */
struct tg_interface {
	__u8 ipv4[16]; /* zero: none */
	__u8 ipv6[16];
	__u32 mtu;
	__u32 flags; /* TG_INTERFACE_* */
	__u8 mac[6]; /* zero: any frame is for us */
	__u16 pad;
};

/* The box itself is a client by it: the only way in for packets from its own addresses. */
#define TG_INTERFACE_OWN 1u

/*
 * `flows`, mmapable ARRAY: the flow table, owned and aged by us (never evicted at random). One
 * entry, one cache line, one flow, both directions: 64 bytes of table, 16 of reverse index, 8 of
 * `offsets` and one of `flow_hints` a flow.
 *
 * The forward direction finds it in the set its hash chooses (TG_FLOW_WAYS neighbours); the reverse
 * direction by `reverse`. The first eight bytes, `union tg_flow_word`, are only ever changed as
 * one, by compare-and-exchange; xdp/flow/flow.h states the protocol and why it holds:
 *
 *   free      tag 0
 *   claimed   tag set, state TG_FLOW_CLAIMED: belongs to whoever claimed it, nobody else reads it
 *   live      tag set, state set: readable; a reader checks the tag again after reading
 *
 * A full set takes a new flow by giving up its oldest that is unconfirmed (half-open TCP, one-way
 * UDP) or over; when all are connections the new flow is dropped and counted. So a flood never ends
 * a connection.
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
		__u8 flags; /* TG_FLOW_* */
		__u8 nat;   /* index into `nat_addresses` */
	};
};

struct tg_flow {
	/* These five are a `union tg_flow_word`. */
	__u32 tag;
	__u8 proto;
	__u8 state;
	__u8 flags;
	__u8 nat;
	__u8 client[16];
	__be16 client_port;
	__be16 nat_port;
	__u32 backend; /* whose record names the server */
	/* The way back to the client: where its packets come from (refreshed by each packet). */
	__u8 client_mac[6];
	__u8 local_mac[6];
	__u32 client_ifindex;
	__be16 vlan; /* as in tg_backend */
	__be16 inner_vlan;
	__u32 last_s; /* CLOCK_MONOTONIC seconds of the last packet that kept it alive */
	/*
	 * TCP: about where each side's sequence numbers are, noted every TG_SEQUENCE_STEP bytes and
	 * once a second. Until the client has confirmed: what it must acknowledge.
	 */
	__u32 client_seq;
	__u32 backend_seq;
};

#define TG_SEQUENCE_STEP 65536u

enum tg_flow_state {
	TG_FLOW_CLAIMED = 0,
	TG_FLOW_HALF_OPEN = 1, /* SYN seen from the client */
	TG_FLOW_ESTABLISHED = 2,
	TG_FLOW_CLOSING = 3, /* a FIN from both sides, the client's first; or a RST */
	TG_FLOW_UDP = 4,     /* not answered yet, or the client was silent since */
	TG_FLOW_UDP_STREAM = 5,
	TG_FLOW_TIME_WAIT = 6, /* a FIN from both sides, the backend's first: it keeps the port */
};

#define TG_FLOW_FIN_CLIENT 1u
#define TG_FLOW_FIN_BACKEND 2u
#define TG_FLOW_RST_CLIENT 4u  /* cleared again when that side goes on talking */
#define TG_FLOW_RST_BACKEND 8u
#define TG_FLOW_ANSWERED 16u  /* the backend answered; TCP: backend_seq is valid */
#define TG_FLOW_CONFIRMED 32u /* the client acknowledged that answer: it is where it says it is */
#define TG_FLOW_BACKEND_FIRST 128u /* the backend's FIN came before the client's */
#define TG_FLOW_PROXIED 64u   /* opened by a SYN cookie: see `offsets` */

/*
 * `flow_hints`, mmapable ARRAY of u64 by set: a byte for each entry, the lowest for the first, which
 * tells who cannot be there. A look-up reads it and then, nearly always, one entry or none.
 */

/*
 * `offsets`, mmapable ARRAY by flow index, of flows with TG_FLOW_PROXIED: we chose the initial
 * sequence number that the client knows, before there was a backend. Whoever moves one of the
 * backend's sequence numbers to the client, or one of its acknowledgements back, moves it by this;
 * also where an ICMP error quotes it.
 */
struct tg_offset {
	__u32 sequence; /* the cookie minus the backend's initial sequence number, once that is known */
	__u32 cookie;
};

/*
 * `cookies`, mmapable ARRAY of one: when one was sent last. Without any in sight nobody is asked for one.
 */
struct tg_cookies {
	__u32 sent_s; /* CLOCK_MONOTONIC seconds */
	__u32 pad;
};

/* `vip_limits`, mmapable ARRAY by server index, of VIPs with new_flows_per_s: see xdp/guard/rate.h. */
struct tg_vip_limit {
	__u64 all_done_ns;
	__u64 proven_done_ns; /* of those who returned a cookie */
};

/* `client_limits`, mmapable ARRAY [TG_CLIENT_LIMITS] of u64: see xdp/guard/limits.h. */
#define TG_CLIENT_LIMITS 131072

/*
 * `fragments`, LRU_HASH: where the later fragments of a datagram go, learned from its first.
 */
struct tg_fragment_key {
	__u8 src[16];
	__u8 dst[16];
	__u32 id; /* as it stands in the packet */
	__u8 proto;
	__u8 pad[3];
};

struct tg_fragment {
	__u8 src[16];
	__u8 dst[16];
	__u8 dst_mac[6];
	__u8 src_mac[6];
	__u32 ifindex;
	__be16 vlan;
	__be16 inner_vlan;
	__u32 id; /* unique among what we send to that destination */
	__u32 server;
	__u32 backend;
	__u32 from_client; /* which way */
	__u32 noted_s;	   /* CLOCK_MONOTONIC seconds of the first fragment */
};

/* How long a note is believed: as long as receivers wait (RFC 791, 3.2; RFC 8200, 4.5). */
#define TG_FRAGMENT_LIFETIME_S 60

/* `fragment_counters`, ARRAY of u64 [TG_FRAGMENT_COUNTERS]: identifications, counted. */
#define TG_FRAGMENT_COUNTERS 4096

/*
 * `held_fragments`, RINGBUF: fragments to a VIP that came before their datagram's first one, on
 * their way to the thread that keeps them; so many a CPU and second, frames of up to so many bytes.
 */
#define TG_HELD_RING_BYTES 1048576
#define TG_HELD_PER_S 4096
#define TG_HELD_FRAME_MAX 1984

struct tg_held_fragment {
	struct tg_fragment_key key;
	__u64 arrived_ns; /* CLOCK_MONOTONIC */
	__u32 ifindex;
	__u32 length;
	__u8 frame[TG_HELD_FRAME_MAX];
};

/*
 * `reverse`, mmapable ARRAY of u32: index of the flow plus one, 0 when free. A flow's slot is
 * (hash(backend address, backend port, protocol, NAT address) + NAT port) & reverse_mask: claiming
 * a NAT port is one compare-and-exchange, the way back is one indexed read, and a port is free per
 * backend, so one NAT address carries far more than 64k flows.
 */

/*
 * `ring_chunks`, ARRAY_OF_MAPS [TG_RING_CHUNKS_MAX] of mmapable ARRAY of lines: the kernel pads the
 * values of an array to 8 bytes, so words come by the line.
 */
#define TG_RING_LINE_WORDS 16

struct tg_ring_line {
	__u32 words[TG_RING_LINE_WORDS];
};

/* `ports`, DEVMAP_HASH: interfaces packets may leave by; key and value are the ifindex. */

/* `server_stats` and `backend_stats`, PERCPU_ARRAY, by server and backend index. */
struct tg_stats { /* bytes: IP header and payload */
	__u64 new_flows;
	__u64 in_packets; /* from clients */
	__u64 in_bytes;
	__u64 out_packets; /* to clients */
	__u64 out_bytes;
	__u64 drops; /* from clients, to a served port; of servers only */
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
	X(drop_backend_dead)     /* and the Service wants its TCP flows reset */                   \
	X(drop_no_flow)          /* TCP in mid-stream that no flow knows */                        \
	X(drop_flow_table_full)  /* no place in the set */                                         \
	X(drop_nat_ports)        /* no NAT port in TG_NAT_PORT_TRIES tries and some thefts */                \
	X(drop_source_range)     /* not among the Service's loadBalancerSourceRanges */            \
	X(flow_displaced)        /* an unconfirmed flow gave its place or port to a new one */     \
	X(drop_no_neighbour)     /* next hop of the backend not resolved, or no way out */         \
	X(drop_fragment)         /* neither TCP nor UDP, or made to hide its ports or flags */     \
	X(drop_fragment_early)   /* came before its first one, and could not be kept */            \
	X(fragment_held)         /* came before its first one: kept, and looked at again then */   \
	X(drop_source_route)     /* an IPv4 source route, or an IPv6 routing header in use */      \
	X(drop_extension)        /* more IPv6 extension headers than anybody needs */              \
	X(drop_no_room)          /* the driver leaves none for VLAN tags or a segment of ours */   \
	X(drop_ttl)              /* TTL or hop limit used up */                                    \
	X(drop_too_big)          /* larger than the way out */                                     \
	X(drop_contended)        /* another CPU was setting up the same flow at that moment */     \
	X(drop_icmp)             /* to a VIP, neither echo request nor error nor discovery */      \
	X(drop_icmp_unmatched)   /* an ICMP error to a VIP about no packet of a flow */            \
	X(drop_echo_limit)       /* echo requests beyond what a CPU answers */                     \
	X(echo_replied)          /* ICMP echo request to a VIP, answered */                        \
	X(icmp_forwarded)        /* ICMP error from a client's side, to the backend */             \
	X(icmp_returned)         /* ICMP error from a backend's side, to the client */             \
	X(icmp_sent)             /* ICMP errors of our own, beside the drop they explain */        \
	X(reset_sent)            /* TCP resets of our own, beside the drop they explain */         \
	X(reply_withheld)        /* neither of them, as replies_per_s was reached */               \
	X(cookie_sent)           /* SYN over a limit of new flows, answered without state */       \
	X(cookie_returned)       /* a flow opened by its cookie */                                 \
	X(drop_handshake)        /* fits no step of a handshake that began with a cookie */        \
	X(drop_over_budget)      /* new UDP flow beyond what a CPU may open */                     \
	X(drop_vip_limit)        /* new flow beyond the VIP's limit */                             \
	X(drop_client_limit)     /* new flow beyond the limit of its client */                     \
	X(drop_land)             /* source and destination are the same */                         \
	X(drop_martian)          /* a source address or port that no packet may have */            \
	X(drop_stolen_source)    /* from outside with a VIP or NAT address as source */

#define TG_COUNTER_ENUM(name) TG_COUNTER_##name,
enum tg_counter { TG_COUNTERS(TG_COUNTER_ENUM) TG_COUNTER_COUNT };

#define TG_NAT_PORT_TRIES 16
#define TG_NAT_PORT_THEFTS 4 /* further tries that may end an unconfirmed flow, or one that is over */

/*
 * `capture_filter`, ARRAY of one, not pinned: whose packets are copied while tg_config.capture is
 * set. A capture ends with the daemon; the next one clears the field.
 */
struct tg_capture {
	__u8 vip[16];
	__u8 client[16];
	__u8 mask[16]; /* the bits of `client` that count */
	__be16 port;   /* 0: all of the address, with what has no port */
	__u16 snap_length;
	__u32 sample; /* of so many connections one; 0 and 1: all */
	__u64 lost;   /* packets that found the ring full; counted by the program */
};

#define TG_CAPTURE_SMALL 256
#define TG_CAPTURE_LARGE 2048
#define TG_CAPTURE_RING_BYTES 2097152

/* A record of `captured_packets`, RINGBUF, of one of two sizes. */
struct tg_captured {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 id;      /* the same as it came and as it left */
	__u32 ifindex; /* where it came in */
	__u32 length;  /* of the frame */
	__u32 captured; /* bytes of it that follow */
	__u8 is_out;
	__u8 verdict; /* enum xdp_action, as it left */
	__u16 pad;
};

struct tg_captured_small {
	struct tg_captured about;
	__u8 bytes[TG_CAPTURE_SMALL];
};

struct tg_captured_large {
	struct tg_captured about;
	__u8 bytes[TG_CAPTURE_LARGE];
};

/*
 * What a packet met on its way, for `tidegate trace`: `trace_log`, ARRAY of one, of trace.bpf.c
 * alone. Beside each step its words.
 */
#define TG_TRACE_STEPS(X)                                                                          \
	X(begin)           /* TG_ABI_VERSION */                                                    \
	X(foreign)         /* not plain IP over Ethernet */                                        \
	X(whole)           /* TCP or UDP, whole and consistent */                                  \
	X(icmp)                                                                                    \
	X(other_protocol)                                                                          \
	X(fragment)                                                                                \
	X(malformed)                                                                               \
	X(refused)         /* read, but the next drop counter says why it goes no further */       \
	X(vip_port)        /* server, scheduler, ring_size, flags */                               \
	X(vip_address)     /* a VIP, but not this port or protocol */                              \
	X(not_vip)                                                                                 \
	X(answer)          /* flow index, word, backend, nat_port, last_s */                       \
	X(flow_found)      /* flow index, word, backend, nat_port, last_s */                       \
	X(flow_none)                                                                               \
	X(flow_moves)      /* it must have another backend */                                      \
	X(source_range)    /* acl, whether it is among them */                                     \
	X(affinity)        /* endpoint, backend or 0 */                                            \
	X(drawn)           /* backend, 0 when none that takes new flows */                         \
	X(slow_start)      /* backend, admit: another is drawn */                                  \
	X(backend)         /* backend, flags */                                                    \
	X(claimed)         /* flow index, the word it had */                                       \
	X(displaced)       /* flow index, the word it had */                                       \
	X(nat)             /* index into `nat_addresses`, port, failed tries */                    \
	X(followed)        /* word before, word after */                                           \
	X(sent)            /* ifindex */                                                           \
	X(counted)         /* enum tg_counter */

#define TG_TRACE_ENUM(name) TG_TRACE_##name,
enum tg_trace_step_name { TG_TRACE_STEPS(TG_TRACE_ENUM) TG_TRACE_STEP_COUNT };

#define TG_TRACE_STEPS_MAX 64
#define TG_TRACE_WORDS 5

struct tg_trace_step {
	__u32 name; /* enum tg_trace_step_name */
	__u32 pad;
	__u64 words[TG_TRACE_WORDS];
};

struct tg_trace {
	__u32 count;
	__u32 pad;
	struct tg_trace_step steps[TG_TRACE_STEPS_MAX];
};

_Static_assert(sizeof(struct tg_vip_key) == 20, "vip key");
_Static_assert(sizeof(struct tg_vip) == 48, "vip");
_Static_assert(sizeof(struct tg_server) == 24, "server");
_Static_assert(sizeof(struct tg_backend) == 64, "backend: one cache line");
_Static_assert(sizeof(struct tg_affinity_key) == 24, "affinity key");
_Static_assert(sizeof(struct tg_affinity) == 16, "affinity");
_Static_assert(sizeof(struct tg_flow) == 64, "flow: one cache line");
_Static_assert(sizeof(union tg_flow_word) == 8, "flow word: one atomic");
_Static_assert(sizeof(struct tg_ring_line) == 64, "ring: one cache line");

#endif
