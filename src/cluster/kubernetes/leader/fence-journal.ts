import type { ObjectKey } from '../../../domain/object.ts';
import { ALLOCATED } from '../../../domain/service-conditions.ts';
import { ApiError } from '../api-error.ts';
import type { ApiConnection } from '../connection.ts';
import { isKubeObject, type KubeObject } from '../kube-object.ts';
import { type StatusBase, statusBaseOf } from '../status/status-base.ts';
import { apiTime } from '../status/status-patch.ts';
import { parallel } from '../write/parallel.ts';
import type { Journal, JournalEntry } from './journal.ts';

/** A Service at a version that a request may still ask for. */
export type FenceTarget = Pick<JournalEntry, 'service' | 'uid' | 'resourceVersion'>;

export interface FenceOptions {
  readonly connection: Pick<ApiConnection, 'request' | 'server'>;
  readonly fieldManager: string;
  /** Ours, for the message in the condition. */
  readonly identity: string;
  /** Says the entries of which nothing can arrive any more: `Leader.end`. */
  end(entries: Iterable<JournalEntry>): void;
  /**
   * The Services that an earlier leader may have touched, as a fresh list shows them: with the finalizer
   * `service.kubernetes.io/load-balancer-cleanup` or a condition of ours. Asked for only when the journal
   * is not complete.
   */
  touched(): Iterable<FenceTarget>;
  /**
   * A Service as the API server has it by now; for the store, where that still has the same one at an
   * older version.
   */
  onRead(object: KubeObject): void;
  wallMs(): number;
}

/** Requests under way at once. */
export const FENCES_IN_FLIGHT = 16;

/**
 * Sees to it that no request of an earlier leader can be accepted any more: each Service that is still at
 * the version that such a request asks for gets a new one, by a condition that says why and that the
 * controller replaces in its next pass. Nothing is repeated of what the earlier leader wanted: we decide
 * anew. To be called when the Lease is ours and a list made after that is in the store.
 *
 * Rejects when that is not sure for all of them, so that it is tried again. A Service that the API server
 * refuses to change as invalid (it would have refused the earlier leader, too) stays in the journal.
 */
export async function fenceJournal(journal: Journal, options: FenceOptions): Promise<void> {
  const { entries, complete } = journal;
  const named = new Set(entries.map(({ service }) => service));
  const others = complete
    ? []
    : [...options.touched()].filter(({ service }) => !named.has(service));
  await parallel(entries, FENCES_IN_FLIGHT, async (entry) => {
    if (await fence(entry, options)) options.end([entry]);
  });
  await parallel(others, FENCES_IN_FLIGHT, async (target) => {
    await fence(target, options);
  });
}

/** False when the API server takes no change of it. */
async function fence(target: FenceTarget, options: FenceOptions): Promise<boolean> {
  const { service, uid, resourceVersion } = target;
  const object = await read(target, options);
  const { metadata } = object ?? {};
  if (!object || metadata?.uid !== uid || metadata.resourceVersion !== resourceVersion) {
    return true;
  }
  const base = statusBaseOf(object);
  try {
    const written = await options.connection.request({
      method: 'PATCH',
      path: `${pathOf(service)}/status`,
      query: { fieldManager: options.fieldManager },
      contentType: 'application/merge-patch+json',
      body: fencePatch(base, options),
    });
    if (isKubeObject(written)) options.onRead(written);
    return true;
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404 || status === 409) {
      await read(target, options);
      return true;
    }
    if (status === 400 || status === 413 || status === 422) return false;
    throw error;
  }
}

async function read(
  { service }: FenceTarget,
  { connection, onRead }: FenceOptions,
): Promise<KubeObject | undefined> {
  try {
    const object = await connection.request({ method: 'GET', path: pathOf(service) });
    if (isKubeObject(object)) {
      onRead(object);
      return object;
    }
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
  throw new Error(`${connection.server} answered for Service "${service}" with no object`);
}

/**
 * A patch that changes nothing would make no new version: the version that is named here cannot stand in
 * the object yet.
 */
function fencePatch({ uid, resourceVersion, conditions }: StatusBase, options: FenceOptions) {
  const condition = {
    type: ALLOCATED,
    status: 'Unknown',
    reason: 'LeaderChanged',
    message: `The controller ${options.identity} has begun to lead, and decides anew what version ${resourceVersion} is to have`,
    lastTransitionTime: apiTime(options.wallMs()),
  };
  const others = conditions.filter(({ type }) => type !== ALLOCATED);
  return {
    metadata: { uid, resourceVersion },
    status: { conditions: [...others, condition] },
  };
}

function pathOf(service: ObjectKey): string {
  const [namespace, name] = service.split('/');
  return `/api/v1/namespaces/${namespace}/services/${name}`;
}
