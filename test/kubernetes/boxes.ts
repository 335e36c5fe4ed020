import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { User } from '../../lab/kubernetes/logins.ts';
import { decodeEdgeNode } from '../../src/cluster/decode/edge-node.ts';
import { startBoxPublisher } from '../../src/cluster/kubernetes/box/box-publisher.ts';
import { createLiveness } from '../../src/cluster/kubernetes/box/liveness.ts';
import type { KubeObject } from '../../src/cluster/kubernetes/kube-object.ts';
import {
  type Reflector,
  startReflector,
} from '../../src/cluster/kubernetes/reflector/reflector.ts';
import type { ReflectorSink } from '../../src/cluster/kubernetes/reflector/reflector-sink.ts';
import {
  type ApiConnection,
  openConnection,
} from '../../src/cluster/kubernetes/transport/connection.ts';
import type { BoxPublisher, BoxState, BoxVip } from '../../src/domain/box.ts';
import type { EdgeNode } from '../../src/domain/edge-node.ts';
import { KeyedMap } from '../../src/domain/keyed-map.ts';
import type { Service } from '../../src/domain/service.ts';
import { EMPTY_SNAPSHOT, type Snapshot } from '../../src/domain/snapshot.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { address } from '../support/objects.ts';
import { type RecordingLog, recordingLog } from '../support/recording-log.ts';

export const HEARTBEAT = { intervalMs: 200, lifetimeMs: 2000 };
const LEASES = '/apis/coordination.k8s.io/v1/namespaces/tidegate-system/leases';

/** A box with what it knows of the others, as far as these tests need a cluster. */
export interface TestBox {
  readonly publisher: BoxPublisher;
  readonly log: RecordingLog;
  snapshot(): Snapshot;
  /** Resolves with the snapshot for which `holds`. */
  sees(holds: (snapshot: Snapshot) => boolean): Promise<Snapshot>;
  /** As when the process is killed. */
  die(): Promise<void>;
  /** As when it is told to stop. */
  stop(): Promise<void>;
}

export interface TestBoxOptions {
  readonly user: User;
  readonly services?: readonly Service[];
  readonly identity?: string;
}

export async function startBox(
  plane: ControlPlane,
  name: string,
  options: TestBoxOptions,
): Promise<TestBox> {
  const log = recordingLog();
  const kubeconfig = await plane.kubeconfigFor(options.user);
  const connect = (role: string) =>
    openConnection({
      kubeconfig,
      context: undefined,
      userAgent: `tidegate/test (${name} ${role})`,
      clock: realClock,
      log,
    });
  const reading = await connect('reads');
  const source = createTestSource(reading, log, options.services ?? []);
  const connection = await connect('writes');
  const publisher = startBoxPublisher({
    connection,
    source,
    box: name,
    identity: options.identity ?? `${name}-${Math.random()}`,
    namespace: 'tidegate-system',
    metallbNamespace: 'metallb-system',
    heartbeat: HEARTBEAT,
    clock: realClock,
    log,
  });
  const end = async () => {
    await source.stop();
    await reading.close();
  };
  return {
    publisher,
    log,
    snapshot: source.current,
    async sees(holds) {
      const deadlineMs = realClock.monotonicMs() + 10_000;
      while (!holds(source.current())) {
        if (realClock.monotonicMs() > deadlineMs) {
          const boxes = JSON.stringify([...source.current().edgeNodes.values()]);
          throw new Error(`"${name}" does not see it within 10 s: ${boxes}`);
        }
        await sleep(10);
      }
      return source.current();
    },
    async die() {
      await connection.close();
      await publisher.stop();
      await end();
    },
    async stop() {
      await publisher.stop();
      await end();
    },
  };
}

/** EdgeNodes by the API server and whether they live; Services as the test says. */
function createTestSource(
  connection: ApiConnection,
  log: RecordingLog,
  services: readonly Service[],
) {
  const listeners = new Set<(snapshot: Snapshot) => void>();
  let snapshot: Snapshot = {
    ...EMPTY_SNAPSHOT,
    revision: 1,
    services: KeyedMap.from(services.map((one) => [one.key, one])),
  };
  const set = (changes: Iterable<readonly [string, EdgeNode | undefined]>) => {
    const edgeNodes = snapshot.edgeNodes.withAll(changes);
    snapshot = { ...snapshot, revision: snapshot.revision + 1, edgeNodes };
    for (const listener of [...listeners]) listener(snapshot);
  };
  const liveness = createLiveness({
    lifetimeMs: HEARTBEAT.lifetimeMs,
    clock: realClock,
    wasDead: () => false,
    onChange({ box: name }, alive) {
      const known = snapshot.edgeNodes.get(name);
      if (known) set([[name, { ...known, alive }]]);
    },
  });
  const decoded = (object: KubeObject): readonly [string, EdgeNode | undefined] => {
    const { value } = decodeEdgeNode(object);
    const alive = liveness.isAlive(object.metadata.name) ?? false;
    return [object.metadata.name, value && { ...value, alive }];
  };
  const boxes: ReflectorSink = {
    replace(objects) {
      const gone = [...snapshot.edgeNodes.keys()].map((key) => [key, undefined] as const);
      set([...gone, ...objects.map(decoded)]);
    },
    apply: (events) =>
      set(
        events.map(({ type, object }) =>
          type === 'DELETED' ? [object.metadata.name, undefined] : decoded(object),
        ),
      ),
  };
  const follow = (kind: string, path: string, sink: ReflectorSink): Reflector =>
    startReflector({
      connection,
      kind,
      path,
      idleTimeoutMs: 60_000,
      clock: realClock,
      log,
      random: Math.random,
      sink,
    });
  const reflectors = [
    follow('Lease', LEASES, liveness),
    follow('EdgeNode', '/apis/tidegate.io/v1alpha1/edgenodes', boxes),
  ];
  return {
    current: () => snapshot,
    subscribe(listener: (snapshot: Snapshot) => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop: () => Promise.all(reflectors.map((reflector) => reflector.stop())),
  };
}

export function vip(text: string, fields: Partial<BoxVip> = {}): BoxVip {
  return {
    address: address(text),
    services: ['default/web'],
    servable: true,
    announced: true,
    interfaces: ['eth0'],
    peers: [],
    reason: '',
    ...fields,
  };
}

export function boxState(name: string, fields: Partial<BoxState> = {}): BoxState {
  return {
    name,
    version: '1.2.3',
    labels: { rack: 'a' },
    roles: ['speaker', 'forwarder'],
    readiness: { ready: true, reason: '' },
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01', addresses: [address('192.0.2.2')] }],
    capacity: { flows: 1_000_000, servers: 20_000, backends: 200_000 },
    vips: [],
    ...fields,
  };
}
