import { setImmediate as nextTurn } from 'node:timers/promises';
import { startController } from '../../src/controller/controller.ts';
import {
  announcedVerdict,
  type Concerned,
  type Observed,
  servingVerdict,
} from '../../src/controller/observed.ts';
import { type Address, formatAddress } from '../../src/domain/address.ts';
import type { ClusterSource } from '../../src/domain/cluster-source.ts';
import type { ConfigurationReport } from '../../src/domain/configuration-report.ts';
import type { ObjectKey } from '../../src/domain/object.ts';
import type { VipAnnouncement, VipServing } from '../../src/domain/observed.ts';
import type { ServiceStatus } from '../../src/domain/service.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { Cluster, SETTINGS } from '../plan/allocation-cluster.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { address as addr } from '../support/objects.ts';
import { recordingLog } from '../support/recording-log.ts';

export const REPORTS_SETTLE_MS = 200;

export type Changes = ReadonlyMap<ObjectKey, ServiceStatus | undefined>;

/** A cluster in memory, with a disk that can be slow or full. */
export interface FakeSource extends ClusterSource {
  /** Changes the cluster and publishes it. */
  change(edit: (cluster: Cluster) => unknown): void;
  /** Every write that succeeded. */
  readonly writes: Changes[];
  /** Every write that was asked for. */
  readonly attempts: Changes[];
  /** Set to make writes fail. */
  failure: Error | undefined;
  /** Set to make writes wait for it. */
  delay: Promise<void> | undefined;
  /** Services whose status cannot be written. */
  readonly refused: Map<ObjectKey, Error>;
  /** Who leads; the controller itself when empty. */
  lead(leader: string): void;
  readonly reports: ConfigurationReport[];
  /** Why it cannot stand for leadership. */
  problem: string;
}

export function fakeSource(cluster = new Cluster()): FakeSource {
  const listeners = new Set<(snapshot: Snapshot) => void>();
  const followers = new Set<() => void>();
  let leader = '';
  const publish = () => {
    const { snapshot } = cluster;
    cluster.snapshot = { ...snapshot, revision: snapshot.revision + 1 };
    setImmediate(() => {
      for (const listener of listeners) listener(cluster.snapshot);
    });
  };
  const source: FakeSource = {
    writes: [],
    attempts: [],
    failure: undefined,
    delay: undefined,
    refused: new Map(),
    reports: [],
    problem: '',
    leadership: {
      leads: () => leader === '',
      leader: () => leader,
      problem: () => source.problem,
      subscribe(follower) {
        followers.add(follower);
        return () => void followers.delete(follower);
      },
    },
    lead(next) {
      leader = next;
      for (const follower of followers) follower();
    },
    current: () => cluster.snapshot,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    change(edit) {
      edit(cluster);
      publish();
    },
    async writeStatuses(changes) {
      source.attempts.push(changes);
      await source.delay;
      if (source.failure) throw source.failure;
      const errors = new Map([...source.refused].filter(([key]) => changes.has(key)));
      const written = new Map([...changes].filter(([key]) => !errors.has(key)));
      const statuses = cluster.snapshot.statuses.withAll(written);
      cluster.snapshot = { ...cluster.snapshot, statuses };
      source.writes.push(written);
      publish();
      return errors;
    },
    reportConfiguration: (report) => void source.reports.push(report),
    async stop() {},
  };
  return source;
}

/** Reports that the test says, instead of forwarder and speaker. */
export interface FakeObserved extends Observed {
  ready: boolean;
  serve(ip: string, servable: boolean, reason?: string): void;
  announce(ip: string, announced: boolean, reason?: string): void;
  /** Boxes that announce a Service. */
  readonly boxes: Map<string, readonly string[]>;
  /** Says who is concerned by a change. */
  tell(concerned: Concerned): void;
  readonly closed: boolean;
}

export function fakeObserved(): FakeObserved {
  const listeners = new Set<(concerned: Concerned) => void>();
  const serving = new Map<Address, VipServing>();
  const announcements = new Map<Address, VipAnnouncement>();
  const boxes = new Map<string, readonly string[]>();
  let closed = false;
  const tell = (concerned: Concerned) => {
    for (const listener of listeners) listener(concerned);
  };
  return {
    ready: true,
    boxes,
    tell,
    serving(_, address) {
      return servingVerdict(address, serving.get(address), this.ready);
    },
    announced: (_, address) => announcedVerdict(address, announcements.get(address)),
    announcers: (service) => boxes.get(service) ?? [],
    settleMs: REPORTS_SETTLE_MS,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
    },
    get closed() {
      return closed;
    },
    serve(ip, servable, reason = '') {
      const address = addr(ip);
      const usableBackends = servable ? 1 : 0;
      serving.set(address, {
        address,
        service: '',
        servable,
        usableBackends,
        backends: 1,
        reason,
        revision: 1,
      });
      tell({ addresses: [address] });
    },
    announce(ip, announced, reason = '') {
      const address = addr(ip);
      const interfaces = announced ? ['eth0'] : [];
      announcements.set(address, { address, announced, interfaces, peers: [], reason, sinceMs: 0 });
      tell({ addresses: [address] });
    },
  };
}

/** A running controller on a fake cluster. */
export function bench(edit: (cluster: Cluster) => unknown = () => {}, source = fakeSource()) {
  source.change(edit);
  return run(source);
}

/** Starts a controller on what is there, as after a restart of the process. */
export function run(source: FakeSource) {
  const clock = fakeClock();
  const log = recordingLog();
  const observed = fakeObserved();
  const controller = startController({
    source,
    settings: { allocation: SETTINGS },
    clock,
    log,
    observed,
  });
  const status = (name: string) => source.current().statuses.get(`default/${name}`);
  return {
    source,
    clock,
    log,
    observed,
    controller,
    status,
    ips: (name: string) => status(name)?.addresses.map(formatAddress),
    condition: (name: string, type: string) =>
      status(name)?.conditions.find((one) => one.type === `tidegate.io/${type}`),
    events: (name: string) =>
      status(name)?.events.map(({ reason, count }) => `${reason} ${count}`) ?? [],
  };
}

/** Lets everything happen that does not wait for the clock. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await nextTurn();
}
