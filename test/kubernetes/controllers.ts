import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from '../../lab/kubernetes/control-plane.ts';
import type { User } from '../../lab/kubernetes/logins.ts';
import { openKubernetesSource } from '../../src/cluster/kubernetes/kubernetes-source.ts';
import { type Controller, startController } from '../../src/controller/controller.ts';
import { observeBoxes } from '../../src/controller/observed-boxes.ts';
import type { ClusterSource } from '../../src/domain/cluster-source.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { type RecordingLog, recordingLog } from '../support/recording-log.ts';
import { HEARTBEAT } from './boxes.ts';

/** As the controller logs in: with the rights of config/deploy and no others. */
const CONTROLLER: User = {
  serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-controller' },
};
const LEASE = { durationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 300 };

/** A controller as it runs in a process of its own. */
export interface TestController {
  readonly source: ClusterSource;
  readonly controller: Controller;
  readonly log: RecordingLog;
  stop(): Promise<void>;
}

export async function startTestController(
  plane: ControlPlane,
  name: string,
  loadBalancerClass = { class: 'tidegate.io/tidegate', handleUnclassed: true },
): Promise<TestController> {
  const log = recordingLog();
  const source = await openKubernetesSource({
    roles: ['controller'],
    node: name,
    version: 'test',
    settings: {
      kubeconfig: await plane.kubeconfigFor(CONTROLLER),
      context: undefined,
      namespace: 'tidegate-system',
      metallbNamespace: 'metallb-system',
      idleTimeoutMs: 60_000,
      lease: LEASE,
      heartbeat: HEARTBEAT,
    },
    ours: loadBalancerClass,
    memoryFile: join(tmpdir(), `tidegate-${process.pid}-${name}.memory`),
    clock: realClock,
    log,
    random: Math.random,
  });
  const controller = startController({
    source,
    settings: { allocation: { ...loadBalancerClass, scopeSharingKeys: false } },
    clock: realClock,
    log,
    observed: observeBoxes(source),
  });
  return {
    source,
    controller,
    log,
    async stop() {
      await controller.stop();
      await source.stop();
    },
  };
}
