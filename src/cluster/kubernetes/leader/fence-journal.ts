import type { ObjectKey } from '../../../domain/object.ts';
import type { Service } from '../../../domain/service.ts';
import { isOurs, type LoadBalancerClass } from '../../../domain/service-class.ts';
import { ALLOCATED, isOurCondition } from '../../../domain/service-conditions.ts';
import { isKubeObject, type KubeObject } from '../kube-object.ts';
import { CLEANUP_FINALIZER, type StatusBase } from '../status/status-base.ts';
import { apiTime } from '../status/status-patch.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { parallel } from '../transport/parallel.ts';
import type { Journal, JournalEntry } from './journal.ts';

export interface FenceOptions {
  readonly connection: Pick<ApiConnection, 'request' | 'server'>;
  readonly fieldManager: string;
  /** Ours, for the message in the condition. */
  readonly identity: string;
  /** Says the entries of which nothing can arrive any more: `Leader.end`. */
  end(entries: Iterable<JournalEntry>): void;
  /** A Service as a list shows it that was made after the Lease became ours. */
  baseOf(service: ObjectKey): StatusBase | undefined;
  /**
   * All that `isExposed`, by the same list. Asked for only when the journal is not complete.
   */
  exposed(): Iterable<readonly [ObjectKey, StatusBase]>;
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
  const others = complete ? [] : [...options.exposed()].filter(([service]) => !named.has(service));
  await parallel(entries, FENCES_IN_FLIGHT, async (entry) => {
    const base = options.baseOf(entry.service);
    const isThere = base?.uid === entry.uid && base.resourceVersion === entry.resourceVersion;
    if (!isThere || (await fence(entry.service, base, options))) options.end([entry]);
  });
  await parallel(others, FENCES_IN_FLIGHT, async ([service, base]) => {
    await fence(service, base, options);
  });
}

/**
 * Whether an earlier leader may have been about to give the Service an address. Nothing is done to
 * others' Services, nor to the many that come with an address from another controller (MetalLB).
 */
export function isExposed(
  base: StatusBase,
  service: Service | undefined,
  ours: LoadBalancerClass,
): boolean {
  const hasTrace =
    base.finalizers.includes(CLEANUP_FINALIZER) ||
    base.conditions.some(({ type }) => isOurCondition(type));
  return hasTrace || (service !== undefined && isOurs(service, ours) && base.ingress.length === 0);
}

/** False when the API server takes no change of it. */
async function fence(
  service: ObjectKey,
  base: StatusBase,
  options: FenceOptions,
): Promise<boolean> {
  const { connection, fieldManager, onRead } = options;
  const path = `/api/v1/namespaces/${base.namespace}/services/${base.name}`;
  try {
    const written = await connection.request({
      method: 'PATCH',
      path: `${path}/status`,
      query: { fieldManager },
      contentType: 'application/merge-patch+json',
      body: fencePatch(base, options),
    });
    if (!isKubeObject(written)) throw notAnObject(service, options);
    onRead(written);
    return true;
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    if (status === 404) return true;
    if (status === 400 || status === 413 || status === 422) return false;
    if (status !== 409) throw error;
  }
  await read(service, path, options);
  return true;
}

/** It is at another version already; what that says counts. */
async function read(service: ObjectKey, path: string, options: FenceOptions): Promise<void> {
  try {
    const object = await options.connection.request({ method: 'GET', path });
    if (!isKubeObject(object)) throw notAnObject(service, options);
    options.onRead(object);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

function notAnObject(service: ObjectKey, { connection }: FenceOptions): Error {
  return new Error(`${connection.server} answered for Service "${service}" with no object`);
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
