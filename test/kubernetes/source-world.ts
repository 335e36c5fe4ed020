import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { type FaultProxy, startFaultProxy } from '../../lab/kubernetes/fault-proxy.ts';
import {
  endpointSliceManifest,
  nodeManifest,
  serviceManifest,
} from '../../lab/kubernetes/manifests.ts';
import {
  type KubernetesSource,
  openKubernetesSource,
} from '../../src/cluster/kubernetes/kubernetes-source.ts';
import { formatAddress } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { RoleName } from '../../src/domain/role.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { type RecordingLog, recordingLog } from '../support/recording-log.ts';

const WAIT_MS = 20_000;
const IDLE_MS = 4_000;
const SERVICES = '/api/v1/namespaces/default/services';
export const OURS = { class: 'tidegate.io/tidegate', handleUnclassed: true };
export const BOX_ROLES: readonly RoleName[] = ['forwarder', 'speaker'];

/** A small cluster behind a proxy, and sources that read it. */
export interface SourceWorld {
  readonly plane: ControlPlane;
  readonly proxy: FaultProxy;
  /** A Service with an address (none: '') and endpoints on the Node `n1`. */
  addService(name: string, ip: string, pods?: readonly string[]): Promise<void>;
  setPort(name: string, port: number): Promise<void>;
  removeService(name: string): Promise<void>;
  /** Addresses in a status, by the API server itself. */
  addressesOf(name: string): Promise<readonly string[]>;
  open(t: ExecutionContext, options?: OpenOptions): Promise<OpenedSource>;
  /** Takes the API server away until the test ends, or the returned function is called. */
  goAway(t: ExecutionContext): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export interface OpenOptions {
  readonly roles?: readonly RoleName[];
  /** By the proxy unless said. */
  readonly kubeconfig?: string;
  readonly memoryFile?: string;
  readonly clock?: Clock;
  /** Of Leases. */
  readonly namespace?: string;
}

export interface OpenedSource {
  readonly source: KubernetesSource;
  readonly log: RecordingLog;
  /** Resolves with the snapshot for which `holds`. */
  until(holds: (snapshot: Snapshot) => unknown): Promise<Snapshot>;
}

/** A control plane without custom kinds, with a Node and the Services `web` and `shop`. */
export async function startSourceWorld(): Promise<SourceWorld> {
  const plane = await startControlPlane();
  const proxy = await startFaultProxy(plane);
  let opened = 0;
  const addService: SourceWorld['addService'] = async (name, ip, pods = []) => {
    await plane.apply(serviceManifest(name));
    await plane.client.applyStatus({
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'default' } },
      status: { loadBalancer: ip === '' ? {} : { ingress: [{ ip, ipMode: 'VIP' }] } },
    });
    await plane.apply(endpointSliceManifest(name, pods, { nodeName: 'n1' }));
  };
  for (const name of ['tidegate-system', 'metallb-system']) {
    await plane.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  }
  await plane.apply(nodeManifest('n1', ['10.0.0.11'], { labels: { rack: 'a' } }));
  await plane.client.applyStatus(nodeManifest('n1', ['10.0.0.11']));
  await addService('web', '192.0.2.1', ['10.1.0.1', '10.1.0.2']);
  await addService('shop', '192.0.2.2', ['10.1.0.3']);
  return {
    plane,
    proxy,
    addService,
    async setPort(name, port) {
      const spec = { ports: [{ port, targetPort: 8080, protocol: 'TCP' }] };
      await plane.must('PATCH', `${SERVICES}/${name}`, { spec }, 'application/merge-patch+json');
    },
    async removeService(name) {
      await plane.must('DELETE', `${SERVICES}/${name}`);
    },
    async addressesOf(name) {
      const { status } = await plane.must('GET', `${SERVICES}/${name}`);
      return (status.loadBalancer.ingress ?? []).map(({ ip }: { ip: string }) => ip);
    },
    async open(t, options = {}) {
      opened += 1;
      const memoryFile = `${plane.folder}/memory-${opened}`;
      return openSource(t, { kubeconfig: proxy.kubeconfig, memoryFile, ...options });
    },
    async goAway(t) {
      await proxy.down();
      let isBack: Promise<void> | undefined;
      const comeBack = () => {
        isBack ??= proxy.up();
        return isBack;
      };
      t.teardown(comeBack);
      return comeBack;
    },
    async stop() {
      await proxy.stop();
      await plane.stop();
    },
  };
}

async function openSource(
  t: ExecutionContext,
  options: OpenOptions & { readonly kubeconfig: string; readonly memoryFile: string },
): Promise<OpenedSource> {
  const { roles = BOX_ROLES, kubeconfig, memoryFile, clock = realClock } = options;
  const { namespace = 'tidegate-system' } = options;
  const log = recordingLog();
  const source = await openKubernetesSource({
    roles,
    node: 'edge-1',
    version: 'test',
    settings: {
      kubeconfig,
      context: undefined,
      namespace,
      metallbNamespace: 'metallb-system',
      idleTimeoutMs: IDLE_MS,
      lease: { durationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 300 },
      heartbeat: { intervalMs: 500, lifetimeMs: 2000 },
    },
    ours: OURS,
    memoryFile,
    clock,
    log,
    // The shortest pauses.
    random: () => 0,
  });
  t.teardown(() => source.stop());
  return {
    source,
    log,
    async until(holds) {
      await settle(() => holds(source.current()), log);
      return source.current();
    },
  };
}

/** Waits until `holds`; says what the log said last when that is never so. */
export async function settle(
  holds: () => unknown | Promise<unknown>,
  log?: RecordingLog,
): Promise<void> {
  const deadlineMs = performance.now() + WAIT_MS;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) {
      const lines = log?.lines
        .slice(-8)
        .map(({ message, fields: { error = '' } }) => [message, error]);
      throw new Error(`Not in time; the log says:\n${lines?.join('\n')}`);
    }
    await sleep(20);
  }
}

export const isRead = ({ revision, remembered }: Snapshot) => revision > 0 && !remembered;

export const has = (name: string) => (snapshot: Snapshot) =>
  snapshot.services.has(`default/${name}`);

/** Whether a change by `setPort` has come through. */
export const hasPort = (name: string, port: number) => (snapshot: Snapshot) =>
  snapshot.services.get(`default/${name}`)?.ports[0]?.port === port;

/** Addresses in a status, as the snapshot has them. */
export function addressOf({ statuses }: Snapshot, name: string): string {
  return (statuses.get(`default/${name}`)?.addresses ?? []).map(formatAddress).join();
}
