import { isDeepStrictEqual } from 'node:util';
import { type Address, familyOf, formatAddress } from '../domain/address.ts';
import type { Clock } from '../domain/clock.ts';
import type { Log } from '../domain/log.ts';
import { type Prefix, rangeContains, rangeOfPrefix } from '../domain/prefix.ts';
import type { Link } from '../protocol/rtnetlink/link.ts';
import type { Route } from '../protocol/rtnetlink/route.ts';
import type { RouteAnswer } from '../system/rtnetlink.ts';
import { type KeptNeighbour, keyOfNeighbour } from './neighbours/kept-neighbour.ts';
import { NeighbourKeeper } from './neighbours/neighbour-keeper.ts';
import { NeighbourProber, type NeighbourProberParts } from './neighbours/neighbour-prober.ts';
import type { Network, NetworkChange } from './network.ts';
import type { NextHop, NextHops } from './next-hop.ts';
import { type WayOut, wayOut } from './way-out.ts';

export interface KernelNextHopsParts {
  readonly network: Network;
  readonly clock: Clock;
  readonly log: Log;
  /** Time between two questions to a neighbour whether it still is there. */
  readonly probeMs: number;
  readonly openProbeWire: NeighbourProberParts['openWire'];
  /** Sources to use instead of the routes' own, of any family. */
  readonly natAddresses: readonly Address[];
  /** True when the XDP program is on the interface, so that answers can come back by it. */
  readonly isPort: (ifindex: number) => boolean;
  /** The next hops of these addresses changed; once a turn of the event loop. */
  readonly onChange: (addresses: readonly Address[]) => void;
}

/** Changes that no event tells of are found when routes are asked for again, this often. */
const ROUTE_RECHECK_MS = 60_000;

interface Target {
  readonly address: Address;
  answer: RouteAnswer | undefined;
  /** A question is under way. */
  asking: boolean;
  /** The answer under way may be too old. */
  askAgain: boolean;
  neighbour: KeptNeighbour | undefined;
  hop: NextHop;
}

/** What the kernel says of a way, and what that means for the program. */
interface Way {
  readonly neighbour: KeptNeighbour;
  readonly link: Link;
  readonly out: WayOut;
  readonly route: Route;
  readonly sources: readonly Address[];
}

const PENDING: NextHop = { state: 'pending' };

/**
 * Next hops by the kernel's routes and neighbours. Each address is asked for once and then followed
 * by events; cost grows with distinct addresses, and for neighbours with distinct gateways.
 */
export class KernelNextHops implements NextHops {
  readonly #parts: KernelNextHopsParts;
  readonly #keeper: NeighbourKeeper;
  readonly #prober: NeighbourProber;
  readonly #targets = new Map<Address, Target>();
  /** Addresses behind each neighbour. */
  readonly #behind = new Map<string, Set<Target>>();
  readonly #changed = new Set<Address>();
  readonly #unsubscribe: () => void;
  #cancelRecheck: () => void;
  #flushing = false;
  #stopped = false;

  constructor(parts: KernelNextHopsParts) {
    const { network, clock, log, probeMs } = parts;
    this.#parts = parts;
    this.#prober = new NeighbourProber({
      network,
      clock,
      log,
      probeMs,
      openWire: parts.openProbeWire,
      onChange: (each) => this.#judgeBehind(each),
    });
    this.#keeper = new NeighbourKeeper({
      network,
      clock,
      onRefusal: (each) => this.#judgeBehind(each),
    });
    this.#unsubscribe = network.onChange((change) => this.#onNetwork(change));
    this.#cancelRecheck = clock.after(ROUTE_RECHECK_MS, () => this.#recheck());
  }

  follow(address: Address): void {
    if (this.#targets.has(address)) return;
    const target: Target = {
      address,
      answer: undefined,
      asking: false,
      askAgain: false,
      neighbour: undefined,
      hop: PENDING,
    };
    this.#targets.set(address, target);
    this.#ask(target);
  }

  unfollow(address: Address): void {
    const target = this.#targets.get(address);
    if (!target) return;
    this.#targets.delete(address);
    this.#changed.delete(address);
    this.#setNeighbour(target, undefined);
  }

  get(address: Address): NextHop {
    return this.#targets.get(address)?.hop ?? PENDING;
  }

  /** How many addresses are followed, and how many of them are reachable. */
  usage(): { readonly addresses: number; readonly reachable: number } {
    let reachable = 0;
    for (const { hop } of this.#targets.values()) if (hop.state === 'resolved') reachable += 1;
    return { addresses: this.#targets.size, reachable };
  }

  /** The set of interfaces that carry the program changed. */
  portsChanged(): void {
    for (const target of this.#targets.values()) this.#judge(target);
  }

  stop(): void {
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelRecheck();
    this.#keeper.stop();
    this.#prober.stop();
  }

  #onNetwork(change: NetworkChange): void {
    if (change.kind === 'neighbour') {
      const { ifindex, address } = change;
      this.#prober.kernelChanged({ ifindex, address });
      this.#judgeBehind({ ifindex, address });
      this.#keeper.changed(ifindex, address);
      return;
    }
    if (change.kind === 'route') {
      this.#askWithin(change.destination);
      return;
    }
    if (change.kind === 'all') this.#prober.allChanged();
    for (const target of this.#targets.values()) {
      // Whoever sends from an address that is gone must learn of it, whatever its route says.
      if (change.kind === 'address' && change.removed) this.#mark(target.address);
      this.#judge(target);
    }
    this.#askWithin(undefined);
  }

  #recheck(): void {
    this.#cancelRecheck = this.#parts.clock.after(ROUTE_RECHECK_MS, () => this.#recheck());
    this.#askWithin(undefined);
  }

  #askWithin(destination: Prefix | undefined): void {
    const range = destination && rangeOfPrefix(destination);
    if (range && range.first === range.last) {
      // Routes to one address come by thousands: each VIP has one, for clients on this box.
      const target = this.#targets.get(range.first);
      if (target) this.#ask(target);
      return;
    }
    for (const target of this.#targets.values()) {
      if (!range || rangeContains(range, target.address)) this.#ask(target);
    }
  }

  #ask(target: Target): void {
    if (target.asking) {
      target.askAgain = true;
      return;
    }
    target.asking = true;
    this.#parts.network.routeTo(target.address).then(
      (answer) => this.#onAnswer(target, answer),
      (error: NodeJS.ErrnoException) =>
        this.#onAnswer(target, { kind: 'none', code: error.code ?? error.message }),
    );
  }

  #onAnswer(target: Target, answer: RouteAnswer): void {
    target.asking = false;
    if (this.#stopped || this.#targets.get(target.address) !== target) return;
    target.answer = answer;
    this.#setNeighbour(target, neighbourOf(target.address, answer));
    this.#judge(target);
    if (!target.askAgain) return;
    target.askAgain = false;
    this.#ask(target);
  }

  #setNeighbour(target: Target, neighbour: KeptNeighbour | undefined): void {
    const before = target.neighbour;
    if (before && neighbour && keyOfNeighbour(before) === keyOfNeighbour(neighbour)) return;
    target.neighbour = neighbour;
    if (neighbour) {
      const users = this.#behind.get(keyOfNeighbour(neighbour)) ?? new Set<Target>();
      this.#behind.set(keyOfNeighbour(neighbour), users.add(target));
      this.#prober.keep(neighbour);
      this.#keeper.keep(neighbour);
    }
    if (before) {
      const users = this.#behind.get(keyOfNeighbour(before));
      users?.delete(target);
      if (users?.size === 0) this.#behind.delete(keyOfNeighbour(before));
      this.#prober.release(before);
      this.#keeper.release(before);
    }
  }

  #judgeBehind(neighbour: KeptNeighbour): void {
    for (const target of this.#behind.get(keyOfNeighbour(neighbour)) ?? []) this.#judge(target);
  }

  #judge(target: Target): void {
    const hop = this.#hopOf(target);
    if (isSameHop(hop, target.hop)) return;
    target.hop = hop;
    this.#mark(target.address);
  }

  #mark(address: Address): void {
    this.#changed.add(address);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      const addresses = [...this.#changed];
      this.#changed.clear();
      if (!this.#stopped && addresses.length > 0) this.#parts.onChange(addresses);
    });
  }

  #hopOf({ address, answer, neighbour }: Target): NextHop {
    if (answer === undefined) return PENDING;
    if (answer.kind === 'none') return unreachable(noRouteReason(answer.code));
    const { route } = answer;
    if (route.kind !== 'unicast' || !neighbour) return unreachable(noUnicastReason(route));
    const link = this.#parts.network.links.get(route.ifindex);
    if (!link?.isUp) return unreachable(`Its interface ${link?.name ?? route.ifindex} is down`);
    if (!link.isRunning) return unreachable(`Its interface ${link.name} has no carrier`);
    const out = wayOut(this.#parts.network.links, link, this.#parts.isPort);
    if (out.problem !== undefined) return unreachable(out.problem);
    const sources = this.#sourcesTo(address, route);
    if (sources.length === 0) {
      const family = `IPv${familyOf(address)}`;
      return unreachable(`This box has no ${family} address to send from; give ${link.name} one`);
    }
    return this.#hopBy({ neighbour, link, out, route, sources });
  }

  #hopBy({ neighbour, link, out, route, sources }: Way): NextHop {
    const { network } = this.#parts;
    const { ifindex, address } = neighbour;
    const mac = this.#prober.mac(neighbour);
    if (mac !== undefined && link.mac !== undefined) {
      const mtu = route.mtu > 0 ? Math.min(route.mtu, link.mtu) : link.mtu;
      const macs = { destinationMac: mac, sourceMac: link.mac };
      return { state: 'resolved', ...out, ...macs, sources, mtu };
    }
    const refusal = this.#keeper.refusal(neighbour);
    if (refusal === 'ENOBUFS') {
      return unreachable('The neighbour table is full; raise net.ipv4.neigh.default.gc_thresh3');
    }
    if (refusal !== '') return unreachable(`The kernel does not resolve its next hop (${refusal})`);
    const isFailed = network.neighbour(ifindex, address)?.state === 'failed';
    if (!isFailed && !this.#prober.isGone(neighbour)) return PENDING;
    const protocol = familyOf(address) === 4 ? 'ARP' : 'neighbour discovery';
    return unreachable(`${formatAddress(address)} on ${link.name} does not answer ${protocol}`);
  }

  /** The operator's choice where the box holds any of it, in the settings' order. */
  #sourcesTo(address: Address, { source }: Route): readonly Address[] {
    const chosen = this.#natAddressesOf(address);
    if (chosen.length > 0) return chosen;
    return source === undefined ? [] : [source];
  }

  #natAddressesOf(address: Address): readonly Address[] {
    const { natAddresses, network } = this.#parts;
    const family = familyOf(address);
    return natAddresses.filter((each) => familyOf(each) === family && network.holdsAddress(each));
  }
}

function neighbourOf(address: Address, answer: RouteAnswer): KeptNeighbour | undefined {
  if (answer.kind === 'none' || answer.route.kind !== 'unicast') return undefined;
  const { ifindex, gateway } = answer.route;
  return ifindex === 0 ? undefined : { ifindex, address: gateway ?? address };
}

function noRouteReason(code: string): string {
  const remedy = 'add one; for Pods, set forwarder.podRoutes to auto or have the CNI announce them';
  return `No route to it (${code}); ${remedy}`;
}

function noUnicastReason({ kind }: Route): string {
  if (kind === 'local') return 'It is an address of this box; a backend must be on another host';
  return kind === 'unicast' ? 'Its route names no interface' : `Its route is of type ${kind}`;
}

function unreachable(reason: string): NextHop {
  return { state: 'unreachable', reason };
}

function isSameHop(a: NextHop, b: NextHop): boolean {
  return isDeepStrictEqual(a, b);
}
