import type { KubeObject } from '../../../../src/cluster/kubernetes/kube-object.ts';
import { fenceJournal } from '../../../../src/cluster/kubernetes/leader/fence-journal.ts';
import type { Journal } from '../../../../src/cluster/kubernetes/leader/journal.ts';
import type { Leader } from '../../../../src/cluster/kubernetes/leader/leader.ts';
import { decodeLease, type Lease } from '../../../../src/cluster/kubernetes/leader/lease.ts';
import { runLeader } from '../../../../src/cluster/kubernetes/leader/run-leader.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import type { ApiConnection } from '../../../../src/cluster/kubernetes/transport/connection.ts';
import { createStatusWriter } from '../../../../src/cluster/kubernetes/write/status-writer.ts';
import { startController } from '../../../../src/controller/controller.ts';
import type { Observed } from '../../../../src/controller/observed.ts';
import type { Clock } from '../../../../src/domain/clock.ts';
import type { ClusterSource } from '../../../../src/domain/cluster-source.ts';
import type { Log } from '../../../../src/domain/log.ts';
import type { Snapshot } from '../../../../src/domain/snapshot.ts';
import { SETTINGS } from '../../../plan/allocation-cluster.ts';
import type { SimEvent, SimKind } from './simulated-api.ts';
import { createSimulatedStore } from './simulated-store.ts';

/** Parts of the protocol that a test takes out, to see that the model misses them. */
export interface Protocol {
  /** Changes are noted in the Lease before they are written. */
  readonly journal: boolean;
  /** What stands in the journal is seen to before its addresses count as free. */
  readonly fence: boolean;
}

export const WHOLE: Protocol = { journal: true, fence: true };

/** Faster than the defaults, in the same proportions; the clock is simulated anyway. */
export const DURATIONS = { durationMs: 10_000, renewDeadlineMs: 7_000, retryPeriodMs: 2_000 };

/** A request under way, and what the process that sent it knew. */
export interface Call {
  readonly process: SimulatedProcess;
  readonly request: ApiRequest;
  readonly view: Snapshot;
  /** The hold of the Lease under which it was sent; 0: none. */
  readonly term: number;
  readonly promise: PromiseWithResolvers<unknown>;
  /** The client waits no more. */
  over: boolean;
}

export interface ProcessWorld {
  readonly nowMs: () => number;
  send(call: Call): void;
  /** Holds up whoever calls it, for as long as it pleases. */
  gate(process: SimulatedProcess): Promise<void>;
  /** Counts holds of the Lease over all processes. */
  nextTerm(): number;
}

/** One controller: the real election, writer and loop, over a simulated network, clock and store. */
export interface SimulatedProcess {
  readonly name: string;
  readonly clock: ProcessClock;
  readonly leader: Leader;
  readonly leads: () => boolean;
  readonly term: () => number;
  /** All that it has known. */
  readonly views: () => readonly Snapshot[];
  alive: boolean;
  partitioned: boolean;
  /** `stopped`: the clock runs on (SIGSTOP); `frozen`: it stands (a machine that is not run). */
  paused: 'no' | 'stopped' | 'frozen';
  stopping: boolean;
  /** What of each kind's events it has seen; undefined before the first list. */
  readonly places: Partial<Record<SimKind, number>>;
  take(kind: SimKind, event: SimEvent): void;
  /** Ends cleanly, in the program's order. */
  stop(): Promise<void>;
}

export interface ProcessClock extends Clock {
  /** When the first timer is due; by this process's clock. */
  nextMs(): number;
  fire(): void;
  freeze(): void;
  thaw(): void;
  jump(ms: number): void;
}

/** Time of a machine: it can be frozen, and its wall clock set. */
function processClock(nowMs: () => number): ProcessClock {
  let lostMs = 0;
  let frozenAtMs: number | undefined;
  let wallMs = 1_750_000_000_000;
  let order = 0;
  const timers = new Map<number, { atMs: number; run: () => void }>();
  const monotonicMs = () => (frozenAtMs ?? nowMs()) - lostMs;
  const first = () => {
    let found: [number, { atMs: number; run: () => void }] | undefined;
    for (const entry of timers) if (!found || entry[1].atMs < found[1].atMs) found = entry;
    return found;
  };
  return {
    monotonicMs,
    wallMs: () => wallMs + monotonicMs(),
    after(delayMs, run) {
      const id = order++;
      timers.set(id, { atMs: monotonicMs() + Math.max(0, delayMs), run });
      return () => void timers.delete(id);
    },
    nextMs: () => first()?.[1].atMs ?? Number.POSITIVE_INFINITY,
    fire() {
      const entry = first();
      if (!entry) return;
      timers.delete(entry[0]);
      entry[1].run();
    },
    freeze() {
      frozenAtMs = nowMs();
    },
    thaw() {
      if (frozenAtMs !== undefined) lostMs += nowMs() - frozenAtMs;
      frozenAtMs = undefined;
    },
    jump(ms) {
      wallMs += ms;
    },
  };
}

const SILENT: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => SILENT,
};

const NOTHING = { status: 'Unknown', reason: 'notReported', message: '' } as const;

const OBSERVED: Observed = {
  serving: () => NOTHING,
  announced: () => NOTHING,
  announcers: () => [],
  settleMs: 200,
  subscribe: () => () => {},
  close: () => {},
};

const LIST_RETRY_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;

export function startProcess(
  name: string,
  world: ProcessWorld,
  random: () => number,
  protocol: Protocol,
  log: Log = SILENT,
): SimulatedProcess {
  const clock = processClock(world.nowMs);
  const store = createSimulatedStore((uid) => writer.eventsOf(uid));
  let term = 0;
  let seen: (lease: Lease | undefined) => void = () => {};

  const connection: Pick<ApiConnection, 'request' | 'server'> = {
    server: 'https://simulated',
    request: (request) => send(request),
  };

  function send(request: ApiRequest): Promise<unknown> {
    const promise = Promise.withResolvers<unknown>();
    const call: Call = {
      ...{ process, request, promise, term },
      view: store.snapshot(),
      over: false,
    };
    const fail = (reason: string) => {
      if (call.over) return;
      call.over = true;
      promise.reject(new ApiError(`No answer: ${reason}`, { status: 0, reason }));
    };
    clock.after(request.timeoutMs ?? REQUEST_TIMEOUT_MS, () => fail('Timeout'));
    request.signal?.addEventListener('abort', () => fail('Aborted'));
    world.send(call);
    return promise.promise;
  }

  async function list(kind: 'services' | 'pools'): Promise<void> {
    const answer = await send({ method: 'GET', path: `/list/${kind}` });
    const { items, version, place } = answer as {
      items: readonly (readonly [string, KubeObject])[];
      version: number;
      place: number;
    };
    store.replace(kind, items, version);
    process.places[kind] = place;
  }

  function listUntilDone(kind: 'services' | 'pools'): void {
    list(kind).catch(() => clock.after(LIST_RETRY_MS, () => listUntilDone(kind)));
  }

  async function takeOver(journal: Journal): Promise<void> {
    term = world.nextTerm();
    await list('services');
    await world.gate(process);
    if (!protocol.fence) leader.end(journal.entries);
    if (!protocol.fence || !protocol.journal) return;
    await fenceJournal(journal, {
      connection,
      fieldManager: 'tidegate-controller',
      identity: leader.state().identity,
      end: leader.end,
      baseOf: store.baseOf,
      exposed: store.exposed,
      onRead: store.written,
      wallMs: clock.wallMs,
    });
  }

  const watchLease = (callback: typeof seen) => {
    seen = callback;
    return async () => {};
  };
  const process: SimulatedProcess = {
    ...{ name, clock, alive: true, partitioned: false, paused: 'no', stopping: false },
    places: { lease: 0 },
    term: () => term,
    views: store.views,
    leads: () => leader.leads(),
    get leader() {
      return leader;
    },
    take(kind, event) {
      if (kind === 'lease') {
        seen(event.type === 'DELETED' ? undefined : decodeLease(event.object));
      } else store.take(kind, event);
    },
    async stop() {
      process.stopping = true;
      await controller.stop();
      await leader.stop();
      process.alive = false;
    },
  };
  const leader = runLeader(
    {
      connection: { ...connection, stream: () => Promise.reject(), close: async () => {} },
      ...{ namespace: 'tidegate-system', name: 'tidegate-controller', identity: name },
      ...{ durations: DURATIONS, clock, log, random, takeOver },
    },
    watchLease,
  );
  const noted: Pick<Leader, 'leads' | 'begin' | 'end' | 'pending' | 'term'> = protocol.journal
    ? { ...leader, begin: (entries) => leader.begin(entries).then(() => world.gate(process)) }
    : {
        leads: leader.leads,
        term: leader.term,
        begin: () => world.gate(process),
        end: () => {},
        pending: () => NONE,
      };
  const writer = createStatusWriter({
    ...{ connection, leader: noted, clock, log },
    events: { record: () => {}, stop: () => {} },
    baseOf: store.baseOf,
    onWritten: store.written,
    onEvents: store.refresh,
  });
  const source: ClusterSource = {
    current: store.snapshot,
    subscribe: store.subscribe,
    leadership: leader,
    writeStatuses: (changes) => writer.write(changes),
    reportConfiguration: () => {},
    stop: async () => {},
  };
  listUntilDone('services');
  listUntilDone('pools');
  const controller = startController({
    ...{ source, clock, log },
    settings: { allocation: SETTINGS },
    observed: OBSERVED,
  });
  return process;
}

const NONE = new Map();
