import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { startBoxPublisher } from '../../src/cluster/kubernetes/box/box-publisher.ts';
import {
  type KubernetesSource,
  openKubernetesSource,
} from '../../src/cluster/kubernetes/kubernetes-source.ts';
import { openConnection } from '../../src/cluster/kubernetes/transport/connection.ts';
import type { BoxPublisher } from '../../src/domain/box.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { recordingLog } from '../support/recording-log.ts';
import { HEARTBEAT } from './boxes.ts';

/** A box that reads the cluster as a speaker does, and tells it of itself. */
export interface RealBox {
  readonly source: KubernetesSource;
  readonly publisher: BoxPublisher;
  /** As when the process is killed, or over. */
  end(): Promise<void>;
}

export async function startRealBox(
  plane: ControlPlane,
  name: string,
  kubeconfig: string,
): Promise<RealBox> {
  const log = recordingLog();
  const settings = {
    kubeconfig,
    context: undefined,
    namespace: 'tidegate-system',
    metallbNamespace: 'metallb-system',
    idleTimeoutMs: 60_000,
    lease: { durationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 300 },
    heartbeat: HEARTBEAT,
  };
  const source = await openKubernetesSource({
    roles: ['speaker'],
    node: name,
    version: 'test',
    settings,
    ours: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    memoryFile: `${plane.folder}/${name}.memory`,
    clock: realClock,
    log,
    random: Math.random,
  });
  const userAgent = 'tidegate/test (box)';
  const connection = await openConnection({
    ...{ kubeconfig, context: undefined, userAgent, clock: realClock, log },
  });
  const publisher = startBoxPublisher({
    ...settings,
    ...{ connection, source, box: name, identity: `${name}-${Math.random()}` },
    ...{ clock: realClock, log },
  });
  let ended: Promise<void> | undefined;
  const end = async () => {
    // Nothing is said any more.
    await connection.close();
    await publisher.stop();
    await source.stop();
  };
  return {
    source,
    publisher,
    end() {
      ended ??= end();
      return ended;
    },
  };
}
