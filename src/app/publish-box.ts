import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { startBoxPublisher } from '../cluster/kubernetes/box/box-publisher.ts';
import { openConnection } from '../cluster/kubernetes/transport/connection.ts';
import type { BoxPublisher, BoxState, BoxVip } from '../domain/box.ts';
import type { Clock } from '../domain/clock.ts';
import type { ClusterSource } from '../domain/cluster-source.ts';
import type { Log } from '../domain/log.ts';
import type { RoleName } from '../domain/role.ts';
import type { Settings } from '../settings/settings.ts';
import type { Speaker } from '../speaker/speaker.ts';
import type { Json } from '../system/json.ts';
import { FORWARDER_REPORT, READY_KEY, SPEAKER_REPORT } from '../system/reports.ts';
import { openRtnetlink } from '../system/rtnetlink.ts';
import { watchLedger } from '../system/watch-ledger.ts';
import { watchBoxInterfaces } from './box-interfaces.ts';

export interface PublishBoxOptions {
  readonly settings: Settings;
  readonly source: ClusterSource;
  readonly speaker: Speaker;
  /** Of this process. */
  readonly roles: readonly RoleName[];
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Changes of reports are collected for so long. */
const SETTLE_MS = 100;

/**
 * Tells the cluster of this box, by the API server: what the speaker here and the forwarder's report say.
 * Rejects when the credentials cannot be read.
 */
export async function publishBox(
  options: PublishBoxOptions,
): Promise<Pick<BoxPublisher, 'problems' | 'stop'>> {
  const { settings, source, speaker, clock, version } = options;
  const { kubeconfig, context, namespace, metallbNamespace, heartbeat } =
    settings.cluster.kubernetes;
  const log = options.log.child({ part: 'box' });
  const connection = await openConnection({
    kubeconfig,
    context,
    userAgent: `tidegate/${version} (box)`,
    clock,
    log,
  });
  const publisher = startBoxPublisher({
    connection,
    source,
    box: settings.node,
    identity: `${settings.node}_${randomUUID()}`,
    namespace,
    metallbNamespace,
    heartbeat,
    clock,
    log,
  });
  let cancel: (() => void) | undefined;
  let planned = speaker.planned();
  const publishSoon = () => {
    cancel ??= clock.after(SETTLE_MS, () => {
      cancel = undefined;
      // Before the cluster was read, nothing is known that would be worth telling it.
      if (source.current().revision === 0) return;
      planned = speaker.planned();
      publisher.publish(collect());
    });
  };
  const interfaces = watchBoxInterfaces(openRtnetlink, clock, log, publishSoon);
  const forwarder = watchLedger(join(settings.runDir, FORWARDER_REPORT), publishSoon);
  const announcements = watchLedger(join(settings.runDir, SPEAKER_REPORT), publishSoon);
  const unsubscribe = source.subscribe(() => {
    // What the speaker makes of the snapshot shows a turn later at the latest.
    setImmediate(() => {
      if (speaker.planned() !== planned) publishSoon();
    });
  });
  publishSoon();

  function collect(): BoxState {
    const { flows, servers, backends } = settings.forwarder.limits;
    const hasForwarder = forwarder.entries.has(READY_KEY);
    return {
      name: settings.node,
      version,
      labels: settings.labels,
      roles: [...new Set([...options.roles, ...(hasForwarder ? (['forwarder'] as const) : [])])],
      readiness: readinessOf(speaker, forwarder.entries.get(READY_KEY)),
      interfaces: interfaces.current(),
      capacity: { flows, servers, backends },
      vips: vipsOf(speaker, forwarder.entries),
    };
  }

  return {
    problems: publisher.problems,
    async stop() {
      cancel?.();
      unsubscribe();
      interfaces.close();
      forwarder.close();
      announcements.close();
      await publisher.stop();
    },
  };
}

/** Of what a box needs to serve an address. */
export function readinessOf(
  speaker: Pick<Speaker, 'readiness'>,
  forwarder: Json | undefined,
): BoxState['readiness'] {
  const own = speaker.readiness();
  if (!own.ready) return own;
  if (forwarder === undefined) return { ready: false, reason: 'No forwarder has reported yet' };
  return isTrue(forwarder, 'ready')
    ? { ready: true, reason: '' }
    : { ready: false, reason: 'The forwarder is not ready' };
}

export function vipsOf(
  speaker: Pick<Speaker, 'planned' | 'announcements'>,
  served: ReadonlyMap<string, Json>,
): BoxVip[] {
  const announcements = speaker.announcements();
  return [...speaker.planned()].map(([text, { address, services, reason }]) => {
    const announcement = announcements.get(text);
    const announced = announcement?.announced ?? false;
    return {
      address,
      services,
      servable: isTrue(served.get(text), 'servable'),
      announced,
      interfaces: announcement?.interfaces ?? [],
      peers: announcement?.peers ?? [],
      reason: announced ? '' : (announcement?.reason ?? reason),
    };
  });
}

function isTrue(json: Json | undefined, field: string): boolean {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as { readonly [name: string]: Json })[field] === true
    : false;
}
