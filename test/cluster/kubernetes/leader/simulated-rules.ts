import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { addressesOf } from '../../../../src/cluster/kubernetes/status/api-status.ts';
import { type Address, formatAddress } from '../../../../src/domain/address.ts';
import type { ObjectKey } from '../../../../src/domain/object.ts';
import type { Service } from '../../../../src/domain/service.ts';
import type { Snapshot } from '../../../../src/domain/snapshot.ts';
import { allocate } from '../../../../src/plan/allocate.ts';
import { sameAddresses } from '../../../../src/plan/allocation/assignment.ts';
import { SETTINGS } from '../../../plan/allocation-cluster.ts';
import type { SimEvent, SimulatedApi } from './simulated-api.ts';
import type { Call, SimulatedProcess } from './simulated-process.ts';
import { decodedService, snapshotOf } from './simulated-store.ts';

/** What must hold after each change of the API server's state. */
export interface Rules {
  /** After a change of a Service by a call, or by people. Throws when something does not hold. */
  afterService(event: SimEvent, call: Call | undefined): void;
  afterPool(): void;
  /** Notes who leads now. */
  noteLeaders(processes: readonly SimulatedProcess[]): void;
  /** Why the cluster is not as it should be at rest; undefined when it is. */
  unrest(processes: readonly SimulatedProcess[]): string | undefined;
}

interface Held {
  readonly uid: string;
  readonly addresses: readonly Address[];
  readonly sharingKey: string;
}

/** `which`: all, or only that no address is given twice. */
export function createRules(api: () => SimulatedApi, which: 'all' | 'twice'): Rules {
  const held = new Map<ObjectKey, Held>();
  /** Services that some rule allowed to lose what they have now. */
  const losable = new Set<ObjectKey>();
  let ledTerm = 0;

  const now = () => snapshotOf(api().list('services'), api().list('pools'));

  function noteLosable(): void {
    const snapshot = now();
    const { services } = allocate(undefined, snapshot, SETTINGS);
    for (const [key, { addresses }] of held) {
      const kept = services.get(key)?.addresses ?? [];
      if (addresses.length === 0 || sameAddresses(kept, addresses)) continue;
      for (const [other, { addresses: theirs }] of held) {
        if (theirs.some((address) => addresses.includes(address))) losable.add(other);
      }
    }
  }

  function checkGrant(key: ObjectKey, object: KubeObject, given: readonly Address[], call: Call) {
    if (which === 'all' && call.term < ledTerm) {
      throw new Error(`${call.process.name} gave ${texts(given)} to ${key} after another led`);
    }
    const { service } = decodedService(object);
    for (const [other, { uid, addresses }] of held) {
      const both = addresses.filter((address) => given.includes(address));
      if (other === key || both.length === 0) continue;
      if (service && couldShare(call, service, other, uid)) continue;
      throw new Error(`${texts(both)} was given to ${key} while ${other} had it`);
    }
  }

  return {
    afterService({ type, key, object }, call) {
      const before = held.get(key);
      const addresses = type === 'DELETED' ? [] : addressesOf(decodedService(object).base);
      const had = before?.uid === object.metadata.uid ? before.addresses : [];
      const given = addresses.filter((address) => !had.includes(address));
      const taken = had.filter((address) => !addresses.includes(address));
      if (call && given.length > 0) checkGrant(key, object, given, call);
      const mayLose = () => losable.has(key) || !call || hadReason(call, key, had);
      if (which === 'all' && taken.length > 0 && type !== 'DELETED' && !mayLose()) {
        throw new Error(`${texts(taken)} was taken from ${key} without a reason`);
      }
      const { sharingKey = '' } = decodedService(object).service ?? {};
      if (type === 'DELETED') held.delete(key);
      else held.set(key, { uid: object.metadata.uid, addresses, sharingKey });
      if (given.length + taken.length > 0) losable.delete(key);
      // Of two sharers the one that changes loses, also where the other is yet to be written.
      if (!call && (sharingKey !== '' || before?.sharingKey)) losable.add(key);
      noteLosable();
    },
    afterPool: noteLosable,
    noteLeaders(processes) {
      for (const process of processes) {
        if (process.alive && process.leads()) ledTerm = Math.max(ledTerm, process.term());
      }
    },
    unrest(processes) {
      const leaders = processes.filter((process) => process.alive && process.leads());
      if (leaders.length !== 1) return `${leaders.length} controllers lead`;
      return difference(now());
    },
  };
}

/**
 * Whether two could share by what the process knew when it decided: since then people may have changed
 * the other one, but not the one that the request is for.
 */
function couldShare({ process, view }: Call, service: Service, other: ObjectKey, uid: string) {
  const { key } = service;
  return process.views().some(({ services }) => {
    const seen = services.get(other);
    const isOfThen = services.get(key) === view.services.get(key);
    return isOfThen && seen?.uid === uid && mayShare(service, seen);
  });
}

/** Whether a Service cannot keep what it has, by what a process has known of it at some moment. */
function hadReason({ process }: Call, key: ObjectKey, addresses: readonly Address[]): boolean {
  return process.views().some((view) => {
    if (!sameAddresses(view.statuses.get(key)?.addresses ?? [], addresses)) return false;
    const { services } = allocate(undefined, view, SETTINGS);
    return !sameAddresses(services.get(key)?.addresses ?? [], addresses);
  });
}

/** What a controller that begins with nothing would change. */
function difference(snapshot: Snapshot): string | undefined {
  const { services } = allocate(undefined, snapshot, SETTINGS);
  for (const [key, { addresses }] of services) {
    if (snapshot.services.get(key)?.deleting) return `${key} is still being deleted`;
    const said = snapshot.statuses.get(key)?.addresses ?? [];
    if (!sameAddresses(said, addresses)) {
      return `${key} has ${texts(said)} and should have ${texts(addresses)}`;
    }
  }
  return undefined;
}

/** MetalLB's rule: the same key, no port in common, and backends of which traffic may go to any. */
function mayShare(a: Service, b: Service): boolean {
  const policy = ({ externalTrafficPolicy, selector }: Service) =>
    externalTrafficPolicy === 'Local' ? selector : '';
  const clash = a.ports.some((one) =>
    b.ports.some((other) => one.port === other.port && one.protocol === other.protocol),
  );
  return a.sharingKey !== '' && a.sharingKey === b.sharingKey && !clash && policy(a) === policy(b);
}

function texts(addresses: readonly Address[]): string {
  return addresses.map(formatAddress).join(', ') || 'nothing';
}
