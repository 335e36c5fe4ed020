/*
 * A storm for stress tests: the forwarding core with clients and backends of its own, all at once on
 * as many CPUs as run it. Each run makes up one packet (a client's, new or of a flow; a backend's of
 * a flow; a returned cookie), gives it to the program, and looks at what came of it.
 *
 * What must hold though flows come and go meanwhile: a flow that was there before and after with the
 * same tag was there in between, so its packets had to go to its two ends and to nobody else.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __attribute__((always_inline)) int storm_run(struct xdp_md *ctx);

/* The first program of the object is the one that is run. */
SEC("xdp.frags")
int storm(struct xdp_md *ctx)
{
	return storm_run(ctx);
}

#include "../xdp/tidegate.bpf.c"

#define STORM_FRAME 64
#define STORM_SYN_OF_16 6

/* What to storm: IPv4, servers at one address. Written by the test. */
struct storm_plan {
	__be32 vip;
	__be32 first_client;
	__u32 clients_mask;
	__be16 tcp_port;
	__be16 udp_port;
};

struct storm_result {
	__u64 answers;	    /* of flows that were there all the time */
	__u64 requests;
	__u64 answers_misled;	/* to another end than the flow's: must stay 0 */
	__u64 requests_misled;	/* the same */
	__u64 lost;	    /* answers to such flows that were taken for somebody else's: the same */
	__u64 aborted;	    /* the same */
};

/* A SYN-ACK of the program's own that its client has not seen yet. */
struct storm_cookie {
	__be32 client;
	__u32 seq;
	__u32 ack;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct storm_plan);
} storm_plan SEC(".maps");

enum storm_kind { STORM_NEW, STORM_ANSWER, STORM_REQUEST };

struct storm_packet {
	__be32 src, dst;
	__be16 src_port, dst_port;
	__u32 seq, ack;
	__u8 protocol, flags;
};

/* A flow as it was before its packet. */
struct storm_flow {
	__u64 word;
	__u32 index;
	__be32 client, backend;
	__be16 client_port, nat_port;
};

/* Of one run: kept here and not on the stack, which the program needs. */
struct storm_memory {
	struct storm_result result;
	struct storm_cookie cookie;
	struct storm_packet packet;
	struct storm_flow flow;
	__u32 kind; /* enum storm_kind */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct storm_memory);
} storm_memory SEC(".maps");

#define CLIENT_PORT bpf_htons(1000)

static __always_inline struct storm_memory *storm_memory_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&storm_memory, &zero);
}

static __always_inline int storm_write(struct xdp_md *ctx, const struct storm_packet *packet)
{
	struct frame frame = frame_of(ctx);
	__u32 *words;
	struct ethhdr *eth;
	struct iphdr *ip;

	if (bpf_xdp_adjust_tail(ctx, STORM_FRAME - (int)(frame.end - frame.start)))
		return 0;
	frame = frame_of(ctx);
	if (frame.start + STORM_FRAME > frame.end)
		return 0;
	eth = frame.start;
	ip = (void *)(eth + 1);
	words = (void *)(ip + 1);
	__builtin_memset(frame.start, 2, 12);
	eth->h_proto = bpf_htons(ETH_P_IP);
	__builtin_memset(ip, 0, STORM_FRAME - sizeof(*eth));
	*(__u8 *)ip = IPV4_PLAIN;
	ip->tot_len = bpf_htons(sizeof(*ip) + (packet->protocol == IPPROTO_TCP ? 20 : 8));
	ip->ttl = 64;
	ip->protocol = packet->protocol;
	ip->saddr = packet->src;
	ip->daddr = packet->dst;
	words[0] = packet->src_port | (__u32)packet->dst_port << 16;
	if (packet->protocol == IPPROTO_UDP) {
		words[1] = bpf_htons(8);
		return 1;
	}
	words[1] = bpf_htonl(packet->seq);
	words[2] = bpf_htonl(packet->ack);
	words[3] = 5 << 4 | (__u32)packet->flags << 8;
	return 1;
}

/* A random flow that is live; 0 when there is none at that place. */
static __always_inline int storm_flow_pick(struct storm_flow *flow, struct storm_packet *packet,
					   const struct tg_config *cfg)
{
	__u32 index = bpf_get_prandom_u32() & cfg->flow_mask, backend_index, nat_index;
	struct tg_backend *backend;
	struct tg_nat_address *nat;
	struct tg_flow *entry = flow_entry(index);
	union tg_flow_word word;

	if (!entry)
		return 0;
	flow->index = index;
	word.raw = READ_ONCE(*flow_word(entry));
	if (word.tag < TG_FLOW_TAG_MIN || word.state == TG_FLOW_CLAIMED)
		return 0;
	flow->word = word.raw;
	backend_index = READ_ONCE(entry->backend);
	nat_index = word.nat;
	backend = bpf_map_lookup_elem(&backends, &backend_index);
	nat = bpf_map_lookup_elem(&nat_addresses, &nat_index);
	if (!backend || !nat)
		return 0;
	flow->client = address_to_ipv4(address_from_bytes(entry->client));
	flow->client_port = entry->client_port;
	flow->nat_port = entry->nat_port;
	flow->backend = address_to_ipv4(address_from_bytes(backend->addr));
	packet->protocol = word.proto;
	packet->src = flow->backend;
	packet->src_port = backend->port;
	packet->dst = address_to_ipv4(address_from_bytes(nat->addr));
	packet->dst_port = flow->nat_port;
	packet->seq = word.flags & TG_FLOW_ANSWERED ? READ_ONCE(entry->backend_seq) : 7000;
	packet->ack = READ_ONCE(entry->client_seq);
	return 1;
}

static __always_inline int storm_flow_stayed(const struct storm_flow *flow)
{
	union tg_flow_word before = { .raw = flow->word }, after;
	struct tg_flow *entry = flow_entry(flow->index);

	if (!entry)
		return 0;
	after.raw = READ_ONCE(*flow_word(entry));
	return after.tag == before.tag && after.state != TG_FLOW_CLAIMED;
}

/* What a backend says: its SYN-ACK, then data, and in the end a FIN or a RST. */
static __always_inline __u8 storm_answer_flags(__u32 dice, union tg_flow_word word)
{
	if (!(word.flags & TG_FLOW_ANSWERED))
		return dice < 14 ? TCP_SYN | TCP_ACK : TCP_RST | TCP_ACK;
	return dice < 12 ? TCP_ACK : dice < 14 ? TCP_SYN | TCP_ACK : dice < 15 ? TCP_FIN | TCP_ACK :
										 TCP_RST;
}

static __always_inline __u8 storm_request_flags(__u32 dice)
{
	return dice < 11 ? TCP_ACK : dice < 13 ? TCP_SYN : dice < 15 ? TCP_FIN | TCP_ACK : TCP_RST;
}

/* Makes up the packet: what kind it is, stands in the memory. 0 when there is no room for it. */
__noinline int storm_prepare(struct xdp_md *ctx)
{
	__u32 zero = 0, dice = bpf_get_prandom_u32(), more = dice >> 8 & 15, turned;
	struct storm_plan *plan = bpf_map_lookup_elem(&storm_plan, &zero);
	struct storm_memory *memory = storm_memory_get();
	struct tg_config *cfg = config_get();
	struct storm_packet *packet;
	struct storm_cookie *cookie;
	union tg_flow_word word;

	if (!memory || !plan || !cfg)
		return 0;
	packet = &memory->packet;
	cookie = &memory->cookie;
	memory->kind = STORM_NEW;
	if (cookie->client && (dice & 1)) {
		packet->protocol = IPPROTO_TCP;
		packet->src = cookie->client;
		packet->seq = cookie->ack;
		packet->ack = cookie->seq + 1;
		packet->flags = TCP_ACK;
		cookie->client = 0;
	} else if ((dice >> 4 & 15) >= STORM_SYN_OF_16 &&
		   storm_flow_pick(&memory->flow, packet, cfg)) {
		word.raw = memory->flow.word;
		if (dice & 2) {
			memory->kind = STORM_ANSWER;
			packet->flags = storm_answer_flags(more, word);
			return storm_write(ctx, packet);
		}
		memory->kind = STORM_REQUEST;
		packet->src = memory->flow.client;
		packet->src_port = memory->flow.client_port;
		packet->flags = storm_request_flags(more);
		/* Swapped: what the backend acknowledges is where the client is. */
		turned = packet->seq;
		packet->seq = packet->ack;
		packet->ack = turned;
	} else {
		packet->protocol = dice & 4 ? IPPROTO_UDP : IPPROTO_TCP;
		packet->src = plan->first_client +
			      bpf_htonl(bpf_get_prandom_u32() & plan->clients_mask);
		packet->seq = more < 12 ? 1000 : dice;
		packet->flags = more < 15 ? TCP_SYN : TCP_ACK;
	}
	if (memory->kind == STORM_NEW)
		packet->src_port = CLIENT_PORT;
	packet->dst = plan->vip;
	packet->dst_port = packet->protocol == IPPROTO_TCP ? plan->tcp_port : plan->udp_port;
	return storm_write(ctx, packet);
}

/* A client's cookie, if that is what came of its packet, is kept to be returned. */
static __always_inline void storm_keep_cookie(struct storm_cookie *cookie, __be32 client,
					      const struct storm_packet *sent)
{
	if (sent->dst != client || sent->flags != (TCP_SYN | TCP_ACK))
		return;
	cookie->client = client;
	cookie->seq = sent->seq;
	cookie->ack = sent->ack;
}

/* What came of it. */
__noinline int storm_judge(struct xdp_md *ctx, int verdict)
{
	struct storm_memory *memory = storm_memory_get();
	struct tcphdr *tcp;
	struct storm_packet *sent;
	struct storm_flow *flow;
	struct frame frame = frame_of(ctx);
	struct iphdr *ip = frame.start + sizeof(struct ethhdr);
	__be32 client;

	tcp = (void *)(ip + 1);
	if (!memory || (void *)(tcp + 1) > frame.end)
		return 0;
	sent = &memory->packet;
	flow = &memory->flow;
	client = sent->src;
	memory->result.aborted += verdict == XDP_ABORTED;
	sent->dst = ip->daddr;
	sent->src_port = tcp->source;
	sent->dst_port = tcp->dest;
	sent->seq = bpf_ntohl(tcp->seq);
	sent->ack = bpf_ntohl(tcp->ack_seq);
	sent->flags = ((__u8 *)tcp)[13];
	if (memory->kind == STORM_NEW) {
		storm_keep_cookie(&memory->cookie, client, sent);
		return 0;
	}
	if (!storm_flow_stayed(flow))
		return 0;
	if (memory->kind == STORM_ANSWER) {
		memory->result.answers++;
		memory->result.lost += verdict == XDP_PASS;
		memory->result.answers_misled += verdict == XDP_TX && (sent->dst != flow->client ||
							       sent->dst_port != flow->client_port);
		return 0;
	}
	if (sent->dst == flow->client) /* told something by the program itself */
		return 0;
	memory->result.requests++;
	memory->result.requests_misled += verdict == XDP_TX && (sent->dst != flow->backend ||
						       sent->src_port != flow->nat_port);
	return 0;
}

static __always_inline int storm_run(struct xdp_md *ctx)
{
	struct scratch *scratch;
	struct tg_config *cfg;
	enum packet_kind kind;
	__u32 zero = 0;

	if (!storm_prepare(ctx))
		return XDP_DROP;
	cfg = bpf_map_lookup_elem(&config, &zero);
	scratch = own_map_lookup(&scratch_memory, &zero);
	if (!cfg || !scratch)
		return XDP_DROP;
	kind = parse(ctx, &scratch->packet);
	barrier();
	storm_judge(ctx, decide(ctx, scratch, cfg, kind));
	return XDP_DROP;
}
