import { join } from 'node:path';
import { type Controller, startController } from '../controller/controller.ts';
import { watchObserved } from '../controller/observed.ts';
import { observeBoxes } from '../controller/observed-boxes.ts';
import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { Log } from '../domain/log.ts';
import { ZONE_LABEL } from '../domain/node.ts';
import type { Role, RoleName } from '../domain/role.ts';
import type { Forwarder } from '../forwarder/forwarder.ts';
import { type Checker, startHealthChecker } from '../forwarder/health/checker.ts';
import { startForwarder } from '../forwarder/start-forwarder.ts';
import type { Settings } from '../settings/settings.ts';
import { type Speaker, startSpeaker } from '../speaker/speaker.ts';

/** The roles that run in this process; the others are absent. */
export interface RunningRoles {
  readonly controller?: Controller;
  readonly forwarder?: Forwarder;
  /** The forwarder's. */
  readonly health?: Checker;
  readonly speaker?: Speaker;
  readonly all: readonly Role[];
}

export interface RoleParts {
  readonly settings: Settings;
  readonly source: ClusterSource;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Starts the roles in the order in which each finds what it waits for: addresses, then forwarding,
 * then announcing. When one cannot start, those before it are stopped again.
 */
export async function startRoles(
  names: readonly RoleName[],
  parts: RoleParts,
): Promise<RunningRoles> {
  const all: Role[] = [];
  const start = async <R extends Role>(name: RoleName, begin: () => Promise<R>) => {
    if (!names.includes(name)) return undefined;
    const role = await begin();
    all.push(role);
    return role;
  };
  let health: Checker | undefined;
  try {
    const controller = await start('controller', () => controllerOf(parts));
    const forwarder = await start('forwarder', () =>
      forwarderOf(parts, async () => {
        health = await healthOf(parts);
        return health;
      }),
    );
    const speaker = await start('speaker', () => speakerOf(parts));
    return {
      ...(controller && { controller }),
      ...(forwarder && { forwarder }),
      ...(health && { health }),
      ...(speaker && { speaker }),
      all,
    };
  } catch (error) {
    await stopRoles(all);
    throw error;
  }
}

/** Stops in the reverse order: first nothing is announced any more. */
export async function stopRoles(roles: readonly Role[]): Promise<void> {
  for (const role of roles.toReversed()) await role.stop();
}

async function controllerOf({ settings, source, clock, log }: RoleParts): Promise<Controller> {
  const { loadBalancer, runDir, cluster } = settings;
  const observed = cluster.source === 'kubernetes' ? observeBoxes(source) : watchObserved(runDir);
  return startController({ source, settings: { allocation: loadBalancer }, clock, log, observed });
}

function forwarderOf(
  { settings, source, clock, log }: RoleParts,
  startHealth: () => Promise<Checker>,
): Promise<Forwarder> {
  const { node, labels, loadBalancer, runDir, forwarder } = settings;
  const place = { zone: labels[ZONE_LABEL], node };
  const plan = {
    loadBalancer,
    target: loadBalancer.target,
    health: forwarder.health,
    healthFallback: forwarder.healthFallback,
    nodeHealth: loadBalancer.nodeHealth,
    place: loadBalancer.topologyHints === 'honour' ? place : undefined,
    scheduler: forwarder.scheduler,
    deadBackends: forwarder.deadBackends,
    clientNewFlowsPerSec: forwarder.flood.clientNewFlows,
  };
  return startForwarder({
    source,
    settings: { ...forwarder, runDir, plan },
    clock,
    log,
    startHealth,
  });
}

function healthOf({ settings, clock, log }: RoleParts): Promise<Checker> {
  return startHealthChecker({ clock, log, ledger: join(settings.runDir, 'health.ledger') });
}

function speakerOf({ settings, source, clock, log }: RoleParts): Promise<Speaker> {
  const { speaker, runDir, loadBalancer, node, labels } = settings;
  return startSpeaker({
    source,
    settings: { ...speaker, runDir, loadBalancer, box: { name: node, labels } },
    clock,
    log,
    random: Math.random,
  });
}
