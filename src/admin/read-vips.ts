import { type Address, compareAddresses, formatAddress } from '../domain/address.ts';
import { isOurs } from '../domain/service-class.ts';
import type { Snapshot } from '../domain/snapshot.ts';
import type { Vip } from './api.ts';
import { encodeAnnouncement, encodeTraffic } from './encode.ts';
import type { AdminView, ForwardingView, TrafficCounts } from './view.ts';

/** An address in use: who has it, and from where. */
export interface VipUse {
  readonly address: Address;
  readonly services: readonly string[];
  readonly pool: string;
}

/**
 * Addresses that Services of ours hold, by number; several Services may share one. Made once a
 * snapshot, so that a list read in pages is not made anew for each.
 */
export function vipIndex(view: AdminView): () => readonly VipUse[] {
  let made: { readonly from: Snapshot; readonly uses: readonly VipUse[] } | undefined;
  return () => {
    const from = view.snapshot();
    if (made?.from !== from) made = { from, uses: vipUses(view, from) };
    return made.uses;
  };
}

function vipUses(view: AdminView, { services, statuses }: Snapshot): VipUse[] {
  const uses = new Map<Address, { address: Address; services: string[]; pool: string }>();
  for (const [key, status] of statuses) {
    const service = services.get(key);
    if (!service || !isOurs(service, view.loadBalancer)) continue;
    for (const address of status.addresses) {
      const use = uses.get(address) ?? { address, services: [], pool: status.pool };
      use.services.push(key);
      uses.set(address, use);
    }
  }
  for (const use of uses.values()) use.services.sort();
  return [...uses.values()].sort((a, b) => compareAddresses(a.address, b.address));
}

/** One address with what this process knows of it. */
export function vipOf(view: AdminView, { address, services, pool }: VipUse): Vip {
  const text = formatAddress(address);
  const announcement = view.announcing?.announcements().get(text);
  const answers = view.announcing?.counters().get(text);
  return {
    address: text,
    services: [...services],
    ...(pool !== '' && { pool }),
    ...(view.forwarding && servingOf(view.forwarding, address, services)),
    ...(announcement && { announcement: encodeAnnouncement(announcement, view) }),
    ...(answers && { answers: { ...answers } }),
  };
}

function servingOf(
  forwarding: ForwardingView,
  address: Address,
  services: readonly string[],
): Pick<Vip, 'serving' | 'traffic'> {
  const plans = services.flatMap((key) => forwarding.plan()?.services.get(key) ?? []);
  const servers = plans
    .flatMap((plan) => plan.servers)
    .filter((server) => server.address === address);
  const backends = servers.flatMap((server) => server.backends);
  const usable = backends.filter(({ use }) => use === 'active').length;
  const reasons = plans.map((plan) => plan.reason).filter(Boolean);
  const stats = servers.flatMap((server) => forwarding.serverStats(server.id) ?? []);
  return {
    serving: {
      servable: usable > 0,
      reason: usable > 0 ? '' : (reasons[0] ?? 'notForwarded'),
      usable,
      total: backends.length,
    },
    traffic: encodeTraffic(sumTraffic(stats)),
  };
}

function sumTraffic(stats: readonly TrafficCounts[]): TrafficCounts {
  const sum = { newFlows: 0n, inPackets: 0n, inBytes: 0n, outPackets: 0n, outBytes: 0n };
  for (const one of stats) {
    sum.newFlows += one.newFlows;
    sum.inPackets += one.inPackets;
    sum.inBytes += one.inBytes;
    sum.outPackets += one.outPackets;
    sum.outBytes += one.outBytes;
  }
  return sum;
}
