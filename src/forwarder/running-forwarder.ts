import { join } from 'node:path';
import { type Address, parseAddress } from '../domain/address.ts';
import type { ForwardPlan, VirtualServer } from '../domain/forwarding.ts';
import type { CheckId } from '../domain/health.ts';
import { KeyedMap } from '../domain/keyed-map.ts';
import type { ObjectKey } from '../domain/object.ts';
import type { VipServing } from '../domain/observed.ts';
import { type ForwardPlanning, planForward } from '../plan/forward.ts';
import { Reconciler } from '../reconcile/reconciler.ts';
import type { ObjectState } from '../reconcile/target.ts';
import {
  endFlows,
  type FlowSearch,
  type FragmentHold,
  searchFlows,
  sweepFlows,
} from '../system/bpf.ts';
import { readFeatures, setFeature } from '../system/ethtool.ts';
import { openNetworkConfig } from '../system/network-config.ts';
import { openSocket } from '../system/sockets.ts';
import type { Forwarder, ForwarderDeps, ForwarderUsage } from './forwarder.ts';
import type { HealthChecker } from './health-checker.ts';
import { createInspection, type Inspection } from './inspect.ts';
import { Interfaces, type Port } from './interfaces.ts';
import { LINKS_FOLDER } from './link-pins.ts';
import { LocalClients } from './local-clients/local-clients.ts';
import { createProbeWire } from './neighbours/probe-wire.ts';
import type { Network } from './network.ts';
import type { NextHop } from './next-hop.ts';
import { KernelNextHops } from './next-hops.ts';
import { PodRoutes } from './pod-routes/pod-routes.ts';
import { type FollowedPortFacts, followPortFacts } from './port-facts.ts';
import type { ServingReport } from './report.ts';
import { type AddressHolders, createAddressHolders, servingOf } from './serving.ts';
import { tellAlarms } from './tell-alarms.ts';
import type { TrafficStats } from './xdp/abi.ts';
import { bpfMap } from './xdp/bpf-map.ts';
import { Dataplane } from './xdp/dataplane.ts';
import { type FlowFilter, type FlowList, listFlows } from './xdp/flow-list.ts';
import { heldFragmentCounters } from './xdp/held-fragments.ts';
import { InterfaceTable } from './xdp/interface-table.ts';
import type { LoadedProgram } from './xdp/load.ts';
import { readCounters } from './xdp/statistics.ts';
import { type Sweeper, startSweeper } from './xdp/sweeper.ts';

/** What must be there before forwarding can begin. */
export interface ForwarderParts extends ForwarderDeps {
  readonly network: Network;
  readonly program: LoadedProgram;
  readonly fragments: FragmentHold;
  readonly health: HealthChecker;
  readonly report: ServingReport;
  readonly lock: { release(): void };
}

/** Joins plan, maps, interfaces and health; `startForwarder` makes its parts. */
export class RunningForwarder implements Forwarder {
  readonly name = 'forwarder';
  readonly inspect: Inspection;
  readonly #parts: ForwarderParts;
  readonly #nextHops: KernelNextHops;
  readonly #dataplane: Dataplane;
  readonly #interfaces: Interfaces;
  readonly #localClients: LocalClients | undefined;
  readonly #podRoutes: PodRoutes | undefined;
  readonly #portFacts: FollowedPortFacts;
  readonly #reconciler: Reconciler<VirtualServer>;
  readonly #sweeper: Sweeper;
  readonly #holders: AddressHolders = createAddressHolders();
  readonly #unsubscribe: readonly (() => void)[];
  /** Addresses, as text, of which there may be news. */
  readonly #dirty = new Set<string>();
  #plan: ForwardPlanning | undefined;
  #scheduled = false;
  #cancelStep: () => void = () => undefined;
  #stopped = false;

  constructor(parts: ForwarderParts) {
    const { source, settings, clock, log, network, program, health, report } = parts;
    this.#parts = parts;
    this.#nextHops = new KernelNextHops({
      network,
      clock,
      log,
      probeMs: settings.neighbours.probeMs,
      openProbeWire: (onAnswer) =>
        createProbeWire({ network, log, openPacketSocket: openSocket, onAnswer }),
      natAddresses: settings.natAddresses,
      isPort: (ifindex) => this.#interfaces.isPort(ifindex),
      onChange: (addresses) => this.#onNextHops(addresses),
    });
    this.#dataplane = new Dataplane({
      ...program,
      nextHops: this.#nextHops,
      clock,
      log,
      sweepFlows,
      endFlows,
      setNatFilter: (natFilter, natLimit) =>
        program.config.set(0, { ...program.config.get(0), natFilter, natLimit }),
      onHealed: (ids) => this.#markServers(ids),
      adopt: program.found,
    });
    this.#interfaces = new Interfaces({
      object: program.object,
      network,
      wanted: settings.interfaces,
      mode: settings.xdpMode,
      localClients: settings.localClients,
      readFeatures,
      pinDir: join(settings.bpfDir, LINKS_FOLDER),
      clock,
      log,
      onChange: () => this.#onPorts(),
    });
    const { object, config, layout } = program;
    const interfaceTable = new InterfaceTable(bpfMap(object, 'interfaces'), config, layout);
    this.#portFacts = followPortFacts({
      network,
      indexes: () => ({
        ports: this.#portIndexes(),
        local: this.#interfaces.localPort()?.ifindex,
      }),
      onChange: (facts) => {
        interfaceTable.set(facts);
        this.#localClients?.sync();
      },
    });
    interfaceTable.set(this.#portFacts.current());
    this.#localClients = settings.localClients
      ? new LocalClients({
          network,
          openConfig: openNetworkConfig,
          setFeature,
          isServing: () => this.#interfaces.localPort() !== undefined && this.#hasPorts(),
          mtu: () => this.#portFacts.current().mtu,
          clock,
          log,
        })
      : undefined;
    this.#podRoutes =
      settings.podRoutes === 'auto'
        ? new PodRoutes({
            network,
            openConfig: openNetworkConfig,
            clock,
            log,
            onSettled: () => this.#schedule(),
          })
        : undefined;
    this.inspect = createInspection({
      program,
      network,
      clock,
      ports: () => this.interfaces(),
      dataplane: this.#dataplane,
      lastSweep: () => this.#sweeper.last(),
    });
    this.#reconciler = new Reconciler({
      name: 'xdp',
      target: this.#dataplane,
      clock,
      log,
      onPass: (ids) => this.#markServers(ids),
    });
    this.#sweeper = startSweeper(() => this.#dataplane.sweep(), clock, log);
    for (const address of report.addresses()) this.#dirty.add(address);
    this.#unsubscribe = [
      source.subscribe(() => this.#schedule()),
      health.onChange(() => this.#schedule()),
    ];
    this.#schedule();
  }

  readiness(): { readonly ready: boolean; readonly reason: string } {
    if (!this.#plan) return { ready: false, reason: 'The cluster has not been read yet' };
    if (this.#hasPorts()) return { ready: true, reason: '' };
    const [problem] = this.#interfaces.problems();
    const reason = problem ?? 'No interface carries the XDP program; set forwarder.interfaces';
    return { ready: false, reason };
  }

  plan(): ForwardPlan | undefined {
    return this.#plan;
  }

  usersOf(check: CheckId): Iterable<ObjectKey> {
    return this.#plan?.basis.users.get(check) ?? [];
  }

  stateOf(serverId: string): ObjectState | undefined {
    return this.#reconciler.stateOf(serverId);
  }

  reachability(address: Address): NextHop {
    return this.#nextHops.get(address);
  }

  async defaultRouteTo(address: Address): Promise<Address | undefined> {
    const answer = await this.#parts.network.matchTo(address);
    if (answer.kind === 'none' || answer.route.destination.length > 0) return undefined;
    return answer.route.gateway;
  }

  interfaces(): Iterable<Port> {
    return this.#interfaces.ports();
  }

  problems(): readonly string[] {
    return [
      ...this.#interfaces.problems(),
      ...(this.#localClients?.problems() ?? []),
      ...(this.#podRoutes?.problems() ?? []),
    ];
  }

  counters(): ReadonlyMap<string, bigint> {
    const { program, fragments } = this.#parts;
    const counters = readCounters(bpfMap(program.object, 'counters'), program.layout);
    return new Map([...counters, ...heldFragmentCounters(fragments.stats())]);
  }

  serverStats(serverId: string): TrafficStats | undefined {
    return this.#dataplane.serverStats(serverId);
  }

  backendStats(serverId: string, backendId: string): TrafficStats | undefined {
    return this.#dataplane.backendStats(serverId, backendId);
  }

  usage(): ForwarderUsage {
    return {
      ...this.#dataplane.usage(),
      flows: { used: this.#sweeper.last()?.flows ?? 0, limit: this.#parts.settings.limits.flows },
      nextHops: this.#nextHops.usage(),
    };
  }

  flows(filter: FlowFilter, limit: number): Promise<FlowList> {
    const { object, layout } = this.#parts.program;
    const source = {
      search: (search: FlowSearch) => searchFlows(object, search),
      layout,
      endsOf: (backend: number, nat: number) => this.#dataplane.endsOf(backend, nat),
      nowSec: () => Number(process.hrtime.bigint() / 1_000_000_000n),
    };
    return listFlows(source, filter, limit);
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { network, program, fragments, health, report, lock } = this.#parts;
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.inspect.stop();
    this.#cancelStep();
    await this.#sweeper.stop();
    await this.#reconciler.stop();
    await this.#dataplane.idle();
    this.#portFacts.stop();
    this.#interfaces.stop();
    this.#localClients?.stop();
    this.#nextHops.stop();
    await health.stop();
    // After those who would take the Pods for lost.
    await this.#podRoutes?.stop();
    network.close();
    await report.close();
    fragments.stop();
    program.object.close();
    lock.release();
  }

  /** One pass a turn of the event loop, however much comes in one. */
  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#stopped) this.#pass();
    });
  }

  #pass(): void {
    const { source, settings, health, clock, log } = this.#parts;
    const snapshot = source.current();
    // Nothing has been read yet: what the maps hold is better than nothing.
    if (snapshot.revision === 0) return;
    const nowMs = clock.monotonicMs();
    const plan = planForward(this.#plan, snapshot, health.states(), settings.plan, nowMs);
    this.#cancelStep();
    if (plan.nextStepMs !== undefined) {
      this.#cancelStep = clock.after(plan.nextStepMs - nowMs, () => this.#schedule());
    }
    tellAlarms(this.#plan?.services ?? KeyedMap.empty(), plan.services, plan.revision, log);
    this.#plan = plan;
    this.#reconciler.want(plan.servers, plan.revision);
    for (const address of this.#holders.update(plan.services)) this.#noteVip(address);
    this.#podRoutes?.setNodes(snapshot.nodes, plan.revision);
    // The first probe of a backend decides at once: not before there is a way to it.
    if (this.#podRoutes?.isSettled() ?? true) health.want(plan.checks);
    this.#sayServing();
  }

  #onNextHops(addresses: readonly Address[]): void {
    this.#markServers(this.#dataplane.refreshNextHops(addresses));
    this.#sayServing();
  }

  #noteVip(text: string): void {
    this.#dirty.add(text);
    const address = parseAddress(text);
    if (address === undefined) return;
    this.#localClients?.setVip(address, this.#holders.of(text).length > 0);
  }

  #hasPorts(): boolean {
    return this.#portIndexes().length > 0;
  }

  #portIndexes(): readonly number[] {
    return [...this.#interfaces.ports()].map(({ ifindex }) => ifindex);
  }

  #onPorts(): void {
    this.#nextHops.portsChanged();
    this.#localClients?.sync();
    // The first time, this comes from within the constructor of `#interfaces`.
    setImmediate(() => {
      if (this.#stopped) return;
      this.#portFacts.portsChanged();
      this.#sayServing();
    });
  }

  /** A server's id begins with its address. */
  #markServers(ids: Iterable<string>): void {
    for (const id of ids) this.#dirty.add(id.slice(0, id.indexOf(' ')));
    if (this.#dirty.size > 0) setImmediate(() => this.#stopped || this.#sayServing());
  }

  #sayServing(): void {
    const plan = this.#plan;
    if (!plan) return;
    const news = new Map<string, VipServing | undefined>();
    for (const text of this.#dirty) news.set(text, this.#servingOf(text, plan.revision));
    this.#dirty.clear();
    this.#parts.report.say(news);
    this.#parts.report.sayReady(this.readiness().ready);
  }

  #servingOf(text: string, revision: number): VipServing | undefined {
    const parts = this.#holders.of(text);
    const address = parseAddress(text);
    if (parts.length === 0 || address === undefined) return undefined;
    return servingOf(address, parts, this.#applied, revision);
  }

  readonly #applied = {
    failure: (id: string): string | undefined => {
      const state = this.#reconciler.stateOf(id);
      return state?.state === 'failed' ? state.error : undefined;
    },
    usableBackends: (id: string) => this.#dataplane.usableBackends(id),
  };
}
