import { type Address, compareAddresses } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Log } from '../../domain/log.ts';
import type { Node } from '../../domain/node.ts';
import { type Prefix, prefixContains, rangeOfPrefix } from '../../domain/prefix.ts';
import { Reconciler } from '../../reconcile/reconciler.ts';
import type { NetworkConfig } from '../../system/network-config.ts';
import type { Network, NetworkChange } from '../network.ts';
import { judgeRoute } from './judge-route.ts';
import { isHeld, type PodRoute, type WantedRoute } from './pod-route.ts';
import { heldRoutes, podRouteTarget } from './pod-route-target.ts';
import { firstWithin, type WantedRoutes, wantedRoutes } from './wanted-routes.ts';

export interface PodRoutesParts {
  readonly network: Network;
  readonly openConfig: () => NetworkConfig;
  readonly clock: Clock;
  readonly log: Log;
  /** The first routes are there, or cannot be made. */
  readonly onSettled: () => void;
}

/** News of the network within this time are looked at together, ms. */
const SETTLE_MS = 100;
/** What no event tells of is found so late, and what failed is tried again, ms. */
const RECHECK_MS = 60_000;
/** Sentences told at once. */
const PROBLEMS_MAX = 10;

/**
 * Routes to the Pods of each Node (`Node.spec.podCIDRs`) by way of the Node's own address, for
 * clusters whose Nodes route Pods and announce them to nobody. All of them carry our protocol number,
 * so that what an earlier process left is told from what others made.
 *
 * They are there while this runs. After kill -9 they stay, and the next process takes them over.
 */
export class PodRoutes {
  readonly #parts: PodRoutesParts;
  readonly #config: NetworkConfig;
  readonly #reconciler: Reconciler<PodRoute>;
  readonly #unsubscribe: () => void;
  #nodes = KeyedMap.empty<Node>();
  #revision = 0;
  #wanted: WantedRoutes = { routes: new Map(), problems: [] };
  /** First addresses of wanted networks, and their Nodes' addresses, in order. */
  #points: readonly Address[] = [];
  #desired = KeyedMap.empty<PodRoute>();
  #problems: readonly string[] = [];
  /** Resolves when the run in progress is over. */
  #running: Promise<void> | undefined;
  #again = false;
  #settled = false;
  #stopped = false;
  #cancelSync: (() => void) | undefined;
  #cancelRecheck: () => void = () => undefined;

  constructor(parts: PodRoutesParts) {
    const { network, clock, log, openConfig } = parts;
    this.#parts = parts;
    this.#config = openConfig();
    const target = podRouteTarget(this.#config);
    this.#reconciler = new Reconciler({ name: 'pod-routes', target, clock, log });
    this.#unsubscribe = network.onChange((change) => this.#onNetwork(change));
  }

  /** The Nodes as the cluster has them; not to be called before it has been read. */
  setNodes(nodes: KeyedMap<Node>, revision: number): void {
    if (nodes === this.#nodes && this.#settled) return;
    this.#nodes = nodes;
    this.#revision = revision;
    if (this.#plan() || !this.#settled) this.#sync();
  }

  /** True once the first routes are there, or cannot be made. */
  isSettled(): boolean {
    return this.#settled;
  }

  /** Sentences with a remedy. */
  problems(): readonly string[] {
    const failed = this.#reconciler.failed().map(({ key, state }) => {
      const error = state.state === 'failed' ? state.error : '';
      return `The route to the Pod network ${key} is not made: ${error}; it is tried again`;
    });
    const all = [...this.#problems, ...failed];
    if (all.length <= PROBLEMS_MAX) return all;
    const more = `${all.length - PROBLEMS_MAX} more Pod networks are not routed; see the log`;
    return [...all.slice(0, PROBLEMS_MAX), more];
  }

  /** Takes our routes away, and ends. */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unsubscribe();
    this.#cancelSync?.();
    this.#cancelRecheck();
    await this.#running;
    await this.#reconciler.stop();
    try {
      const held = await heldRoutes(this.#config);
      for (const route of held.values()) await this.#config.removeRoute(route);
    } catch (error) {
      this.#parts.log.error('Cannot take the routes to Pods away', { error });
    }
    this.#config.close();
  }

  /** True when other routes are wanted than before. */
  #plan(): boolean {
    const { network } = this.#parts;
    const own = [...network.addresses()].map(({ address }) => address);
    const before = this.#wanted;
    this.#wanted = wantedRoutes(this.#nodes.values(), own);
    if (isSamePlan(before, this.#wanted)) return false;
    const routes = [...this.#wanted.routes.values()];
    const points = routes.flatMap(({ destination, gateway }) => [destination.base, gateway]);
    this.#points = points.sort(compareAddresses);
    return true;
  }

  #onNetwork(change: NetworkChange): void {
    if (!this.#settled || this.#cancelSync || change.kind === 'neighbour') return;
    if (change.kind === 'route' && change.destination && !this.#concerns(change.destination))
      return;
    this.#cancelSync = this.#parts.clock.after(SETTLE_MS, () => {
      this.#cancelSync = undefined;
      this.#plan();
      this.#sync();
    });
  }

  /** Somebody's route to one of the Nodes or networks, or to a part of a network. */
  #concerns(destination: Prefix): boolean {
    if (firstWithin(this.#points, rangeOfPrefix(destination)) !== undefined) return true;
    for (const route of this.#wanted.routes.values()) {
      if (prefixContains(route.destination, destination.base)) return true;
    }
    return false;
  }

  /** Makes routes what they should be; one run at a time. */
  #sync(): void {
    this.#again = true;
    if (this.#stopped) return;
    this.#running ??= this.#runs().finally(() => {
      this.#running = undefined;
    });
  }

  async #runs(): Promise<void> {
    const { clock, log } = this.#parts;
    this.#cancelRecheck();
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#run();
      } catch (error) {
        log.error('Cannot look at the routes to Pods; will try again', { error });
      }
    }
    if (this.#stopped) return;
    this.#cancelRecheck = clock.after(RECHECK_MS, () => this.#sync());
    if (this.#settled) return;
    this.#settled = true;
    this.#parts.onSettled();
  }

  async #run(): Promise<void> {
    const { routes, problems } = this.#wanted;
    const held = await heldRoutes(this.#config);
    const judged = await Promise.all([...routes].map(([key, route]) => this.#judge(key, route)));
    const made = new Map<string, PodRoute>();
    const refused: string[] = [];
    for (const { key, judgement } of judged) {
      if (judgement.kind === 'refuse') refused.push(judgement.problem);
      if (judgement.kind !== 'make') continue;
      const { route } = judgement;
      const before = this.#desired.get(key);
      // Another object makes the reconciler put back what somebody took away.
      const isKept = before && isSameRoute(before, route) && isHeld(route, held.get(key));
      made.set(key, isKept ? before : route);
    }
    if (this.#stopped) return;
    this.#tell([...problems, ...refused]);
    this.#desired = KeyedMap.from(made);
    this.#reconciler.want(this.#desired, this.#revision);
    await this.#reconciler.idle();
  }

  async #judge(key: string, wanted: WantedRoute) {
    const { network } = this.#parts;
    const [toNode, toPods] = await Promise.all([
      network.routeTo(wanted.gateway),
      network.matchTo(wanted.destination.base),
    ]);
    return { key, judgement: judgeRoute(wanted, { toNode, toPods }) };
  }

  #tell(problems: readonly string[]): void {
    const known = new Set(this.#problems);
    for (const reason of problems) {
      if (!known.has(reason)) this.#parts.log.warn('Pods are not routed', { reason });
    }
    this.#problems = problems;
  }
}

function isSamePlan(a: WantedRoutes, b: WantedRoutes): boolean {
  if (a.routes.size !== b.routes.size || a.problems.join() !== b.problems.join()) return false;
  for (const [key, route] of b.routes) {
    const other = a.routes.get(key);
    if (other?.gateway !== route.gateway || other.node !== route.node) return false;
  }
  return true;
}

function isSameRoute(a: PodRoute, b: PodRoute): boolean {
  return a.gateway === b.gateway && a.ifindex === b.ifindex && a.node === b.node;
}
