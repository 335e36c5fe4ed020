import type { Clock } from '../../../domain/clock.ts';
import type { Log } from '../../../domain/log.ts';
import { isObject } from '../../decode/field.ts';
import { isKubeObject } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { EDGE_NODE_LABEL, heartbeatLeaseName, microTime } from './lease-fields.ts';
import { ownerReference } from './owner-reference.ts';

export interface HeartbeatOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** Of the Lease. */
  readonly namespace: string;
  /** Name of the box. */
  readonly box: string;
  /** Of this process, other than that of any other. */
  readonly identity: string;
  /** Of the EdgeNode, so that the Lease goes with it. */
  readonly owner: () => string | undefined;
  readonly intervalMs: number;
  readonly lifetimeMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Renews the Lease by which others see that this box lives. */
export interface Heartbeat {
  /** Why it cannot be renewed now; `undefined` when it can. */
  trouble(): unknown;
  /** Ends it, and gives the Lease back, so that others know at once. Never rejects. */
  stop(timeoutMs: number): Promise<void>;
}

/** A box that cannot say that it lives is told of in the log this often. */
const FAILURE_LOG_MS = 60_000;

const MERGE_PATCH = 'application/merge-patch+json';

/** Begins at once. One request at a time: a slow server gets fewer of them. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { connection, box, identity, intervalMs, lifetimeMs, clock, log } = options;
  const folder = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  const name = heartbeatLeaseName(box);
  const path = `${folder}/${name}`;
  // A beat that takes longer than this is of no use.
  const timeoutMs = Math.max(intervalMs, Math.floor(lifetimeMs / 3));
  /** Of the Lease as this process left it; a write by somebody else makes the next beat fail. */
  let resourceVersion: string | undefined;
  let cancel = () => {};
  let beating: Promise<void> | undefined;
  let stopped = false;
  let trouble: unknown;
  let complainedMs = Number.NEGATIVE_INFINITY;

  function fieldsAt(nowMs: number, holder: string) {
    const uid = options.owner();
    return {
      metadata: {
        labels: { [EDGE_NODE_LABEL]: box },
        ...(uid !== undefined && { ownerReferences: [ownerReference(box, uid)] }),
      },
      spec: {
        holderIdentity: holder,
        leaseDurationSeconds: Math.ceil(lifetimeMs / 1000),
        renewTime: microTime(nowMs),
      },
    };
  }

  async function beat(): Promise<void> {
    const nowMs = clock.wallMs();
    if (resourceVersion === undefined && !(await take(nowMs))) return;
    await renew(nowMs, identity, timeoutMs);
  }

  /** Reads who holds the Lease, or makes it; true when it is there and not renewed yet. */
  async function take(nowMs: number): Promise<boolean> {
    const lease = await connection.request({ method: 'GET', path, timeoutMs }).catch(notThere);
    if (lease !== undefined) {
      resourceVersion = versionOf(lease);
      return true;
    }
    const { metadata, spec } = fieldsAt(nowMs, identity);
    const body = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, ...metadata },
      spec: { ...spec, acquireTime: microTime(nowMs) },
    };
    resourceVersion = versionOf(
      await connection.request({ method: 'POST', path: folder, body, timeoutMs }),
    );
    return false;
  }

  async function renew(nowMs: number, holder: string, timeoutMs: number): Promise<void> {
    const { metadata, spec } = fieldsAt(nowMs, holder);
    const body = { metadata: { ...metadata, resourceVersion }, spec };
    // Whatever becomes of it, the version is known only from its answer.
    resourceVersion = undefined;
    const answer = await connection.request({
      method: 'PATCH',
      path,
      contentType: MERGE_PATCH,
      body,
      timeoutMs,
    });
    resourceVersion = versionOf(answer);
  }

  async function onFailure(error: unknown): Promise<void> {
    if (error instanceof ApiError && error.status === 409) await tellOfAnother();
    else complain('Cannot renew the heartbeat; others may take this box for dead', { error });
  }

  /** Somebody else wrote the Lease. An edit is harmless; a second box of this name is not. */
  async function tellOfAnother(): Promise<void> {
    const lease = await connection
      .request({ method: 'GET', path, timeoutMs })
      .catch(() => undefined);
    const spec = isObject(lease) ? lease['spec'] : undefined;
    const holder = isObject(spec) ? spec['holderIdentity'] : undefined;
    if (typeof holder !== 'string' || holder === '' || holder === identity) return;
    const remedy = 'Give each box a "node" of its own in its settings';
    complain('Another process says that it is this box', { lease: name, holder, identity, remedy });
  }

  function complain(message: string, fields: Record<string, unknown>) {
    const nowMs = clock.monotonicMs();
    if (nowMs - complainedMs < FAILURE_LOG_MS) return;
    complainedMs = nowMs;
    log.error(message, { box, ...fields });
  }

  function run() {
    const startedMs = clock.monotonicMs();
    let pauseMs = 0;
    beating = beat()
      .then(() => {
        trouble = undefined;
      })
      .catch((error) => {
        trouble = error;
        // A server that asks for a longer pause would have this box taken for dead.
        pauseMs = Math.min((error instanceof ApiError && error.retryAfterMs) || 0, timeoutMs);
        return onFailure(error);
      })
      .finally(() => {
        const tookMs = clock.monotonicMs() - startedMs;
        if (!stopped) cancel = clock.after(Math.max(intervalMs - tookMs, pauseMs, 0), run);
      });
  }

  run();
  return {
    trouble: () => trouble,
    async stop(timeoutMs) {
      stopped = true;
      cancel();
      await beating;
      if (resourceVersion === undefined) return;
      await renew(clock.wallMs(), '', timeoutMs).catch((error) =>
        log.warn('Cannot give the heartbeat Lease back', { box, error }),
      );
    },
  };
}

function versionOf(answer: unknown): string | undefined {
  return isKubeObject(answer) ? answer.metadata.resourceVersion : undefined;
}

function notThere(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}
