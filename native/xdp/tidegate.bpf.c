/*
 * The forwarding core: TCP and UDP packets to a virtual IP go to a backend, its answers go back.
 *
 *   client --> VIP:port            rewritten to  NAT address:NAT port --> backend:port
 *   backend --> NAT address:port   rewritten to  VIP:port --> client
 *
 * One program for both directions and both families, on every interface. What is not ours goes to the
 * kernel untouched.
 */
#include "backend.h"
#include "counters.h"
#include "echo.h"
#include "flow.h"
#include "maps.h"
#include "packet.h"
#include "rewrite.h"
#include "tcp.h"

static __always_inline struct tg_vip *find_vip(const struct packet *packet, __be16 port, __u8 proto)
{
	struct tg_vip_key key = { .port = port, .proto = proto };
	__u32 *words = (__u32 *)key.addr;

	words[0] = packet->dst.first;
	words[1] = packet->dst.first >> 32;
	words[2] = packet->dst.last;
	words[3] = packet->dst.last >> 32;
	return bpf_map_lookup_elem(&vips, &key);
}

static __always_inline int is_vip_address(const struct packet *packet)
{
	return find_vip(packet, 0, 0) != NULL;
}

/* Packets that are no whole TCP or UDP packet: the kernel's, unless they are for a VIP. */
static __always_inline int handle_unusual(struct packet *packet, enum packet_kind kind)
{
	if (kind == PACKET_FOREIGN || !is_vip_address(packet))
		return pass_to_kernel();
	if (kind == PACKET_MALFORMED)
		return drop(TG_COUNTER_drop_malformed);
	if (kind == PACKET_FRAGMENT)
		return drop(TG_COUNTER_drop_fragment);
	if (kind == PACKET_OTHER_PROTOCOL)
		return drop(TG_COUNTER_drop_no_port);
	if (!echo_reply(packet))
		return pass_to_kernel(); /* neighbour discovery, errors */
	count(TG_COUNTER_echo_replied);
	return XDP_TX;
}

/* A backend's answer, back to the client as if from the VIP. */
static __always_inline int handle_answer(struct packet *packet, const struct flow *flow,
					 __u32 now_s)
{
	struct tg_flow *entry = flow->entry;
	__u32 server_index = flow->server;
	struct tg_server *server = bpf_map_lookup_elem(&servers, &server_index);
	struct hop hop = { .src_port = 0 };
	int verdict;

	if (!server)
		return drop(TG_COUNTER_drop_no_flow);
	if (packet->ttl <= 1)
		return drop(TG_COUNTER_drop_ttl);
	hop.src = address_from_bytes(server->addr);
	hop.src_port = server->port;
	hop.dst = address_from_bytes(entry->client);
	hop.dst_port = entry->client_port;
	hop.ifindex = READ_ONCE(entry->client_ifindex);
	hop_set_macs(&hop, entry->client_mac);
	load_barrier();
	if (READ_ONCE(entry->tag) != flow->word.tag)
		return drop(TG_COUNTER_drop_no_flow); /* ended while we looked */
	flow_touch(entry, now_s);
	flow_follow(flow, packet, FROM_BACKEND);
	verdict = rewrite_and_send(packet, &hop);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	count_returned(server_index, flow->backend, packet->ip_size);
	return verdict;
}

/* Whether the flow must find another backend before this packet goes on. */
static __always_inline int flow_must_move(const struct flow *flow, const struct packet *packet,
					  const struct backend *backend)
{
	if (backend->index == 0 || backend->record.server != flow->server)
		return 1;
	if (packet->protocol == IPPROTO_UDP)
		return !(backend->record.flags & (TG_BACKEND_ACTIVE | TG_BACKEND_KEEPS_UDP));
	if (!is_first_syn(packet))
		return 0;
	if (flow->word.state == TG_FLOW_CLOSING)
		return 1;
	return flow->word.state == TG_FLOW_HALF_OPEN &&
	       !(backend->record.flags & TG_BACKEND_ACTIVE);
}

/* Why a packet cannot go to this backend, or TG_COUNTER_COUNT when it can. */
static __always_inline enum tg_counter obstacle(const struct packet *packet,
						const struct backend *backend)
{
	if (!(backend->record.flags & TG_BACKEND_REACHABLE))
		return TG_COUNTER_drop_no_neighbour;
	if (packet->ip_size > backend->record.mtu)
		return TG_COUNTER_drop_too_big;
	return TG_COUNTER_COUNT;
}

/*
 * Makes the flow: a claimed entry (`replaced` when the tuple had one, else a new one), a NAT port,
 * and only then visible to others. Returns TG_COUNTER_COUNT, or the reason why not.
 */
static __always_inline enum tg_counter create_flow(const struct packet *packet,
						   const struct tg_config *cfg,
						   const struct flow_key *key,
						   const struct backend *backend, __u32 now_s,
						   int replaced, struct flow *flow)
{
	__u32 random = bpf_get_prandom_u32();
	union tg_flow_word claimed = {
		.tag = key->hash_bits << TG_FLOW_TAG_RANDOM_BITS |
		       (random & ((1 << TG_FLOW_TAG_RANDOM_BITS) - 1)),
		.proto = packet->protocol,
	};
	struct tg_flow *entry;
	__u32 base;

	if (replaced) {
		entry = flow->entry;
		if (!flow_exchange(entry, flow->word, claimed))
			return TG_COUNTER_drop_contended;
		flow_free_port(entry, flow->index);
	} else {
		entry = flow_claim(key, cfg, now_s, claimed, &flow->index);
		if (!entry)
			return TG_COUNTER_drop_flow_table_full;
		if (flow_has_twin(key, flow->index)) {
			flow_exchange(entry, claimed, (union tg_flow_word){ .raw = 0 });
			return TG_COUNTER_drop_contended;
		}
	}
	base = reverse_base(cfg, address_from_bytes(backend->record.addr), backend->record.port,
			    packet->protocol, address_from_bytes(backend->record.nat_addr));
	if (!flow_take_port(entry, flow->index, cfg, base, random)) {
		flow_exchange(entry, claimed, (union tg_flow_word){ .raw = 0 });
		return TG_COUNTER_drop_nat_ports;
	}
	address_to_bytes(key->client, entry->client);
	entry->client_port = key->client_port;
	entry->server = key->server;
	entry->backend = backend->index;
	entry->last_s = now_s;
	entry->handshake_ack = 0;
	flow_learn_client(entry, packet);
	flow->entry = entry;
	flow->nat_port = entry->nat_port;
	flow->word = claimed;
	flow->word.state = packet->protocol == IPPROTO_TCP ? TG_FLOW_HALF_OPEN : TG_FLOW_UDP;
	flow_exchange(entry, claimed, flow->word);
	return TG_COUNTER_COUNT;
}

/* A packet for a served port of a VIP. */
static __always_inline int handle_request(struct packet *packet, const struct tg_config *cfg,
					  const struct tg_vip *vip, __u64 now_ns)
{
	__u32 now_s = now_ns / NANOSECONDS;
	struct backend backend = {};
	struct flow flow = {};
	enum tg_counter reason;
	struct flow_key key;
	struct hop hop;
	int known, verdict;

	if (packet->ttl <= 1)
		return drop(TG_COUNTER_drop_ttl);
	flow_key_init(&key, cfg, packet, vip->server);
	known = flow_find(&key, &flow);
	if (known)
		backend_read(flow.backend, &backend);
	if (!known || flow_must_move(&flow, packet, &backend)) {
		if (packet->protocol == IPPROTO_TCP && !is_first_syn(packet))
			return drop(known ? TG_COUNTER_drop_no_backend : TG_COUNTER_drop_no_flow);
		if (!backend_choose(packet, vip, now_ns, &backend))
			return drop(TG_COUNTER_drop_no_backend);
		reason = obstacle(packet, &backend);
		if (reason == TG_COUNTER_COUNT)
			reason = create_flow(packet, cfg, &key, &backend, now_s, known, &flow);
		if (reason != TG_COUNTER_COUNT)
			return drop(reason);
		affinity_note(packet, vip, now_ns, &backend);
		count_new_flow(vip->server, backend.index);
	} else {
		reason = obstacle(packet, &backend);
		if (reason != TG_COUNTER_COUNT)
			return drop(reason);
		flow_touch(flow.entry, now_s);
		flow_learn_client(flow.entry, packet);
		flow_follow(&flow, packet, FROM_CLIENT);
	}
	hop.src = address_from_bytes(backend.record.nat_addr);
	hop.src_port = flow.nat_port;
	hop.dst = address_from_bytes(backend.record.addr);
	hop.dst_port = backend.record.port;
	hop.ifindex = backend.record.ifindex;
	hop_set_macs(&hop, backend.record.dst_mac);
	verdict = rewrite_and_send(packet, &hop);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	count_forwarded(vip->server, backend.index, packet->ip_size);
	return verdict;
}

SEC("xdp.frags")
int tidegate(struct xdp_md *ctx)
{
	struct packet packet = {};
	enum packet_kind kind;
	struct tg_config *cfg;
	struct tg_vip *vip;
	struct flow flow = {};
	__u32 zero = 0;
	__u16 port;

	cfg = bpf_map_lookup_elem(&config, &zero);
	if (!cfg || cfg->abi_version != TG_ABI_VERSION)
		return XDP_PASS; /* not set up yet */
	kind = parse(ctx, &packet);
	if (kind != PACKET_TRANSPORT)
		return handle_unusual(&packet, kind);

	port = bpf_ntohs(packet.dst_port);
	if (port >= cfg->nat_port_first && port <= cfg->nat_port_last &&
	    flow_find_reverse(&packet, cfg, &flow))
		return handle_answer(&packet, &flow, bpf_ktime_get_coarse_ns() / NANOSECONDS);

	vip = find_vip(&packet, packet.dst_port, packet.protocol);
	if (vip)
		return handle_request(&packet, cfg, vip, bpf_ktime_get_coarse_ns());
	if (is_vip_address(&packet))
		return drop(TG_COUNTER_drop_no_port);
	return pass_to_kernel();
}

char LICENSE[] SEC("license") = "Apache-2.0";
