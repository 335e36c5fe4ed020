/*
 * The forwarding core: TCP and UDP packets to a virtual IP go to a backend, its answers go back.
 *
 *   client --> VIP:port            rewritten to  NAT address:NAT port --> backend:port
 *   backend --> NAT address:port   rewritten to  VIP:port --> client
 *
 * One program for both directions and both families, on every interface. What is not ours goes to
 * the kernel untouched.
 */
#include "base/counters.h"
#include "base/maps.h"
#include "choice/backend.h"
#include "choice/vip.h"
#include "flow/flow.h"
#include "flow/new_flow.h"
#include "flow/tcp.h"
#include "fragment/later_fragment.h"
#include "guard/syn_cookie.h"
#include "guard/syn_proxy.h"
#include "guard/addressee.h"
#include "icmp/handle_icmp.h"
#include "look/capture.h"
#include "packet/parse.h"
#include "packet/rewrite.h"
#include "reply/dead_backend.h"
#include "reply/reject.h"

/* The packet at hand; see struct packet for why it is not on the stack, which is small besides. */
struct scratch {
	struct packet packet;
	struct request request;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch_memory SEC(".maps");

/* Packets that are no whole TCP or UDP packet: the kernel's, unless they are for a VIP. */
static __always_inline int handle_unusual(struct xdp_md *ctx, struct packet *packet,
					  enum packet_kind kind)
{
	int verdict;

	if (kind == PACKET_FRAGMENT) {
		verdict = later_fragment_forward(ctx, packet);
		if (verdict != FRAGMENT_UNKNOWN)
			return verdict;
	}
	if (kind == PACKET_FOREIGN)
		return pass_to_kernel();
	if (kind == PACKET_ICMP)
		return handle_icmp(ctx, packet);
	if (!is_vip_address(packet))
		return pass_to_kernel();
	if (kind == PACKET_REFUSED)
		return drop(packet->refused);
	if (kind == PACKET_MALFORMED)
		return drop(TG_COUNTER_drop_malformed);
	if (kind == PACKET_FRAGMENT)
		return later_fragment_early(ctx, packet);
	return reject(ctx, packet, TG_COUNTER_drop_no_port, 0);
}

/* A backend's answer, back to the client as if from the VIP. */
static __always_inline int handle_answer(struct xdp_md *ctx, struct packet *packet,
					 const struct tg_config *cfg, struct tg_flow *entry,
					 const struct flow *flow)
{
	__u32 server_index = flow->server;
	struct tg_server *server = bpf_map_lookup_elem(&servers, &server_index);
	enum tg_counter obstacle;
	struct hop hop;
	int verdict;

	if (!server)
		return drop(TG_COUNTER_drop_no_flow);
	if (packet->ttl <= 1)
		return reject(ctx, packet, TG_COUNTER_drop_ttl, 0);
	hop.src = address_from_bytes(server->addr);
	hop.src_port = server->port;
	hop.dst = address_from_bytes(entry->client);
	hop.dst_port = entry->client_port;
	hop.ifindex = READ_ONCE(entry->client_ifindex);
	hop.vlans = READ_ONCE(*flow_vlans(entry));
	hop.server = server_index;
	hop.backend = flow->backend;
	hop.from_client = 0;
	hop.fragment_id = 0;
	hop_set_macs(&hop, entry->client_mac);
	load_barrier();
	if (READ_ONCE(entry->tag) != flow->word.tag)
		return drop(TG_COUNTER_drop_no_flow); /* ended while we looked */
	if (packet->ip_size > cfg->mtu_min && packet->ip_size > mtu_of(hop.ifindex))
		return reject(ctx, packet, TG_COUNTER_drop_too_big, mtu_of(hop.ifindex));
	if (flow->word.flags & TG_FLOW_PROXIED) {
		obstacle = proxy_answer(ctx, packet, flow->index, flow->word.flags);
		if (obstacle != TG_COUNTER_COUNT)
			return drop(obstacle);
	}
	flow_follow(entry, flow, packet, FROM_BACKEND, clock_ns() / NANOSECONDS);
	obstacle = rewrite(ctx, packet, &hop);
	if (obstacle != TG_COUNTER_COUNT)
		return drop(obstacle);
	verdict = send(packet, hop.ifindex);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	count_returned(server_index, flow->backend, packet->ip_size);
	return verdict;
}

/* Whether the flow must find another backend before this packet goes on. */
static __always_inline int flow_must_move(const struct tg_flow *entry, const struct flow *flow,
					  const struct packet *packet,
					  const struct backend *backend,
					  const struct tg_config *cfg, __u32 now_s)
{
	if (packet->protocol == IPPROTO_UDP) {
		if (flow->word.state == TG_FLOW_UDP &&
		    (__s32)(now_s - flow->last_s) > (__s32)cfg->udp_s)
			return 1;
		return !(backend->record.flags & (TG_BACKEND_ACTIVE | TG_BACKEND_KEEPS_UDP));
	}
	if (!is_first_syn(packet))
		return 0;
	if (flow_is_over(flow->word))
		return 1;
	return flow->word.state == TG_FLOW_HALF_OPEN &&
	       (!(backend->record.flags & TG_BACKEND_ACTIVE) ||
		((flow->word.flags & TG_FLOW_PROXIED) &&
		 packet->tcp_seq + 1 != READ_ONCE(entry->client_seq)));
}

/*
 * Whether a cookie may open the tuple's flow anew: the client knows no other handshake than the one
 * with us, whatever the flow has seen. The flow's own cookie moves it from a backend that went away.
 */
static __always_inline int flow_yields_to_cookie(const struct flow *flow,
						 const struct packet *packet,
						 const struct backend *backend)
{
	__u32 index = flow->index;

	if (flow->word.state != TG_FLOW_HALF_OPEN)
		return flow_is_over(flow->word);
	if (!(flow->word.flags & TG_FLOW_PROXIED) || !proxy_is_cookie_of(index, packet->tcp_ack))
		return 1;
	return !(flow->word.flags & TG_FLOW_ANSWERED) &&
	       !(backend->record.flags & TG_BACKEND_ACTIVE);
}

/* A packet to a VIP that gets no flow. */
static __always_inline int decline(struct xdp_md *ctx, struct packet *packet,
				   const struct request *request, enum tg_counter obstacle)
{
	if (obstacle == TG_COUNTER_cookie_sent)
		return cookie_send(ctx, packet, request->now_ns);
	if (request->proven && obstacle != TG_COUNTER_drop_contended)
		return proxy_decline(ctx, packet, obstacle);
	return reject(ctx, packet, obstacle, request->backend.record.mtu);
}

/* A packet for a served port of a VIP. */
static __always_inline int handle_request(struct xdp_md *ctx, struct packet *packet,
					  const struct tg_config *cfg, const struct tg_vip *vip,
					  struct request *request)
{
	struct backend *backend = &request->backend;
	struct flow *flow = &request->flow;
	__u32 now_s, nat_index;
	struct tg_nat_address *nat;
	enum tg_counter obstacle;
	struct tg_flow *entry;
	struct hop hop;
	int verdict;

	TRACE(vip_port, vip->server, vip->scheduler, vip->ring_size, vip->flags);
	if (packet->ttl <= 1)
		return reject(ctx, packet, TG_COUNTER_drop_ttl, 0);
	request->now_ns = clock_ns();
	request->client_hop = client_hop_of(ctx, packet);
	now_s = request->now_ns / NANOSECONDS;
	flow->word.raw = 0;
	flow_key_init(&flow->key, cfg, packet, vip->server);
	entry = flow_find(flow, packet->protocol == IPPROTO_TCP && is_first_syn(packet));
	if (entry)
		backend_read(flow->backend, backend);
	request->proven = (!entry || flow_yields_to_cookie(flow, packet, backend)) &&
			  cookie_is_returned(packet, request->now_ns);
	if (!entry || request->proven ||
	    flow_must_move(entry, flow, packet, backend, cfg, now_s)) {
		if (!is_for_us(ctx, packet))
			return pass_to_kernel();
		if (entry)
			TRACE(flow_moves);
		else
			TRACE(flow_none);
		entry = NULL;
		obstacle = open_flow(packet, vip, request);
		if (obstacle != TG_COUNTER_COUNT)
			return decline(ctx, packet, request, obstacle);
	} else {
		if (must_reset(packet, vip, backend))
			return reset_flow(ctx, packet, request);
		obstacle = backend_obstacle(packet, backend);
		if (obstacle != TG_COUNTER_COUNT)
			return reject(ctx, packet, obstacle, backend->record.mtu);
	}
	if (flow->word.flags & TG_FLOW_PROXIED) {
		obstacle = proxy_request(ctx, packet, flow->index, flow->word.flags);
		if (obstacle != TG_COUNTER_COUNT)
			return drop(obstacle);
	}
	if (entry) {
		flow_learn_client(entry, request->client_hop);
		flow_follow(entry, flow, packet, FROM_CLIENT, now_s);
	}
	nat_index = flow->word.nat;
	nat = bpf_map_lookup_elem(&nat_addresses, &nat_index);
	if (!nat)
		return drop(TG_COUNTER_drop_no_flow);
	hop.src = address_from_bytes(nat->addr);
	hop.src_port = flow->nat_port;
	hop.dst = address_from_bytes(backend->record.addr);
	hop.dst_port = backend->record.port;
	hop.ifindex = backend->record.ifindex;
	hop.vlans = vlans_of(backend->record.vlan, backend->record.inner_vlan);
	hop.server = vip->server;
	hop.backend = flow->backend;
	hop.from_client = 1;
	hop.fragment_id = 0;
	hop_set_macs(&hop, backend->record.dst_mac);
	obstacle = rewrite(ctx, packet, &hop);
	if (obstacle != TG_COUNTER_COUNT)
		return drop(obstacle);
	verdict = send(packet, hop.ifindex);
	if (verdict == XDP_ABORTED)
		return drop(TG_COUNTER_drop_no_neighbour);
	count_forwarded(vip->server, flow->backend, packet->ip_size);
	return verdict;
}

/* Most of what is not for a NAT address and port, at the cost of a shift. */
static __always_inline int may_be_nat_port(const struct packet *packet, const struct tg_config *cfg)
{
	__u16 port = bpf_ntohs(packet->dst_port);

	return port >= cfg->answer_port_first && port <= cfg->answer_port_last &&
	       cfg->nat_filter >> (packet->dst.last >> 56 & 63) & 1;
}

static __always_inline void trace_kind(enum packet_kind kind)
{
	switch (kind) {
	case PACKET_FOREIGN:
		TRACE(foreign);
		break;
	case PACKET_TRANSPORT:
		TRACE(whole);
		break;
	case PACKET_ICMP:
		TRACE(icmp);
		break;
	case PACKET_OTHER_PROTOCOL:
		TRACE(other_protocol);
		break;
	case PACKET_FRAGMENT:
		TRACE(fragment);
		break;
	case PACKET_MALFORMED:
		TRACE(malformed);
		break;
	case PACKET_REFUSED:
		TRACE(refused);
		break;
	}
}

/* What becomes of a packet that was parsed. */
static __always_inline int decide(struct xdp_md *ctx, struct scratch *scratch,
				  const struct tg_config *cfg, enum packet_kind kind)
{
	struct packet *packet = &scratch->packet;
	struct tg_flow *entry;
	struct tg_vip *vip;
	int verdict;

	if (kind != PACKET_TRANSPORT)
		return handle_unusual(ctx, packet, kind);

	if (may_be_nat_port(packet, cfg)) {
		entry = flow_find_reverse(packet, cfg, &scratch->request.flow);
		if (entry)
			return handle_answer(ctx, packet, cfg, entry, &scratch->request.flow);
	}

	vip = find_vip(packet, packet->dst_port, packet->protocol);
	if (vip) {
		verdict = handle_request(ctx, packet, cfg, vip, &scratch->request);
		if (verdict == XDP_DROP)
			count_dropped(vip->server);
		return verdict;
	}
	if (is_vip_address(packet))
		return reject(ctx, packet, TG_COUNTER_drop_no_port, 0);
	return pass_to_kernel();
}

SEC("xdp.frags")
int tidegate(struct xdp_md *ctx)
{
	struct scratch *scratch;
	struct tg_config *cfg;
	enum packet_kind kind;
	__u32 zero = 0;
	int verdict;

	TRACE(begin, TG_ABI_VERSION);
	cfg = bpf_map_lookup_elem(&config, &zero);
	scratch = own_map_lookup(&scratch_memory, &zero);
	if (!cfg || !scratch || cfg->abi_version != TG_ABI_VERSION)
		return XDP_PASS; /* not set up yet */
	kind = parse(ctx, &scratch->packet);
	barrier(); /* from here on, what is in memory counts */
	trace_kind(kind);
	CAPTURE_IN(cfg, ctx, &scratch->packet, kind);
	verdict = decide(ctx, scratch, cfg, kind);
	CAPTURE_OUT(cfg, ctx, verdict);
	return verdict;
}

char LICENSE[] SEC("license") = "Apache-2.0";
