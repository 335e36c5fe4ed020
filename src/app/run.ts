import { join } from 'node:path';
import { metricFamilies } from '../admin/metrics.ts';
import { instanceName, startAdmin } from '../admin/server.ts';
import { openFilesSource } from '../cluster/files/files-source.ts';
import type { Clock } from '../domain/clock.ts';
import type { ClusterState } from '../domain/cluster-state.ts';
import type { Log } from '../domain/log.ts';
import type { Problem } from '../domain/problem.ts';
import type { RoleName } from '../domain/role.ts';
import type { Settings } from '../settings/settings.ts';
import { createEventHistory } from '../telemetry/event-history.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { type AnySource, adminView } from './admin-view.ts';
import { healthMetrics } from './health-metrics.ts';
import type { PublishBoxOptions } from './publish-box.ts';
import { recordEvents } from './record-events.ts';
import { type RunningRoles, startRoles, stopRoles } from './start-roles.ts';

export interface RunOptions {
  readonly settings: Settings;
  readonly roles: readonly RoleName[];
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A process at work. */
export interface Running {
  readonly adminSocket: string;
  readonly roles: RunningRoles;
  /** Stops everything in order; what is in the kernel keeps forwarding. */
  stop(): Promise<void>;
}

/**
 * The composition root: joins the cluster, the roles and the admin API. Resolves when all of them
 * work. Rejects with a sentence that says what stands in the way, with nothing left running.
 */
export async function run(options: RunOptions): Promise<Running> {
  const { settings, clock, log } = options;
  const source = await openSource(options);
  const undo: (() => unknown)[] = [() => source.stop()];
  const stop = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const roles = await startRoles(options.roles, { settings, source, clock, log });
    undo.push(() => stopRoles(roles.all));
    const { speaker } = roles;
    const isPublished = speaker && settings.cluster.source === 'kubernetes';
    const box = isPublished && (await publishBoxOf({ ...options, source, speaker }));
    if (box) undo.push(() => box.stop());
    const history = createEventHistory(clock);
    undo.push(recordEvents(settings.runDir, source, roles, history));
    const identity = {
      instance: instanceName(options.roles),
      node: settings.node,
      version: options.version,
      startedMs: clock.wallMs(),
    };
    const withBox = box ? withProblems(source, box.problems) : source;
    const view = adminView(identity, settings.loadBalancer, withBox, roles, history);
    const metrics = createMetrics();
    const { health } = roles;
    for (const family of metricFamilies(view, clock)) metrics.register(family);
    if (health)
      for (const family of healthMetrics(() => health.metrics())) metrics.register(family);
    const {
      runDir,
      admin: { tcp },
    } = settings;
    const admin = await startAdmin({ view, metrics, log, runDir, roles: options.roles, tcp });
    undo.push(() => admin.close());
    return { adminSocket: admin.socketPath, roles, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Only the controller writes statuses; the others follow. What speaks to an API server is loaded for that. */
async function openSource(options: RunOptions): Promise<AnySource> {
  const { settings, roles, version, clock, log } = options;
  const { cluster, stateDir, node } = settings;
  if (cluster.source === 'kubernetes') {
    const { openKubernetesSource } = await import('../cluster/kubernetes/kubernetes-source.ts');
    const memoryFile = join(stateDir, `cluster-${instanceName(roles)}.ledger`);
    const part = log.child({ part: 'cluster' });
    return openKubernetesSource({
      ...{ roles, node, version, settings: cluster.kubernetes, memoryFile, clock, log: part },
      ours: settings.loadBalancer,
      random: Math.random,
    });
  }
  return openFilesSource({
    path: cluster.files.path,
    statusLedger: join(stateDir, 'status.ledger'),
    writable: roles.includes('controller'),
    clock,
    log,
  });
}

/** What is told of the cluster has two sources: who reads it, and who tells it of this box. */
function withProblems(source: AnySource, problems: () => readonly Problem[]): AnySource {
  const state = source.state && addTo(source.state, problems);
  return { ...source, ...(state && { state }) };
}

function addTo(state: () => ClusterState, problems: () => readonly Problem[]) {
  return (): ClusterState => {
    const own = state();
    return { ...own, unwritable: [...own.unwritable, ...problems()] };
  };
}

async function publishBoxOf(options: PublishBoxOptions) {
  const { publishBox } = await import('./publish-box.ts');
  return publishBox(options);
}
