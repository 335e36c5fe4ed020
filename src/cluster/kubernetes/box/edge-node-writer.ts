import type { BoxState } from '../../../domain/box.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { EdgeNode } from '../../../domain/edge-node.ts';
import type { Labels } from '../../../domain/object.ts';
import { isObject } from '../../decode/field.ts';
import { isKubeObject, type KubeObject } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import {
  type EdgeNodeFacts,
  type EdgeNodeStatus,
  edgeNodeStatus,
  saysHeartbeatLost,
  statusChanges,
  stoppedStatus,
} from './edge-node-status.ts';
import { EDGE_NODE_LABEL } from './lease-fields.ts';

/** Field manager of what boxes write, and source of their events. */
export const FIELD_MANAGER = 'tidegate-speaker';
const API_VERSION = 'tidegate.io/v1alpha1';
const FOLDER = '/apis/tidegate.io/v1alpha1/edgenodes';

/**
 * Keeps the EdgeNode of this box. Its labels are applied by field (server-side apply), so that those an
 * operator adds stay; its status is patched by field; its spec is the operator's alone.
 */
export interface EdgeNodeWriter {
  /**
   * Makes it when missing, and writes what differs. `seen` is the object as the source has it, which
   * tells that the operator changed or deleted it, or that the controller took the box for lost.
   * Rejects with ApiError.
   */
  write(state: BoxState, seen: EdgeNode | undefined): Promise<void>;
  /** Says that the box has stopped, if it has an object. */
  writeStopped(timeoutMs: number): Promise<void>;
  /** Of the object; `undefined` before it is known. */
  uid(): string | undefined;
}

export function createEdgeNodeWriter(
  connection: Pick<ApiConnection, 'request'>,
  name: string,
  clock: Clock,
): EdgeNodeWriter {
  const path = `${FOLDER}/${name}`;
  let object: KubeObject | undefined;
  let uid: string | undefined;

  async function read(): Promise<KubeObject | undefined> {
    try {
      return kubeObject(await connection.request({ method: 'GET', path }));
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  }

  /** Makes the object when there is none. */
  async function applyLabels(labels: Labels): Promise<KubeObject> {
    const answer = await connection.request({
      method: 'PATCH',
      path,
      query: { fieldManager: FIELD_MANAGER, force: 'true' },
      contentType: 'application/apply-patch+yaml',
      body: { apiVersion: API_VERSION, kind: 'EdgeNode', metadata: { name, labels } },
    });
    return kubeObject(answer);
  }

  async function patchStatus(
    current: KubeObject,
    wanted: EdgeNodeStatus,
    timeoutMs?: number,
  ): Promise<KubeObject> {
    const status = statusChanges(factsOf(current).status, wanted);
    if (!status) return current;
    const answer = await connection.request({
      method: 'PATCH',
      path: `${path}/status`,
      query: { fieldManager: FIELD_MANAGER },
      contentType: 'application/merge-patch+json',
      // With the uid it fails when the object is another one of the same name.
      body: { metadata: { uid: current.metadata.uid }, status },
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    return kubeObject(answer);
  }

  return {
    async write(state, seen) {
      if (object && !agrees(object, seen)) object = undefined;
      const labels = { ...state.labels, [EDGE_NODE_LABEL]: name };
      const known = object ?? (await read());
      object = known && hasLabels(known, labels) ? known : await applyLabels(labels);
      const current = object;
      uid = current.metadata.uid;
      // If this fails, the object is read again before the next try.
      object = undefined;
      const wanted = edgeNodeStatus(state, factsOf(current), clock.wallMs());
      object = await patchStatus(current, wanted);
    },
    async writeStopped(timeoutMs) {
      if (!object) return;
      await patchStatus(object, stoppedStatus(factsOf(object), clock.wallMs()), timeoutMs);
    },
    uid: () => uid,
  };
}

/** Whether what the source has may be this object; of its status only what others write matters. */
function agrees(object: KubeObject, seen: EdgeNode | undefined): boolean {
  const { drain, status } = factsOf(object);
  return (
    seen?.uid === object.metadata.uid &&
    seen.drain === drain &&
    seen.heartbeatLost === saysHeartbeatLost(status) &&
    sameEntries(seen.labels, labelsOf(object))
  );
}

/** Whether the labels are there, and none that was applied before and is not wanted any more. */
function hasLabels(object: KubeObject, wanted: Labels): boolean {
  const present = labelsOf(object);
  const applied = appliedLabels(object);
  return (
    Object.entries(wanted).every(([name, value]) => present[name] === value) &&
    applied.size === Object.keys(wanted).length &&
    Object.keys(wanted).every((name) => applied.has(name))
  );
}

/** Names of labels that this field manager has applied, by `metadata.managedFields`. */
function appliedLabels({ metadata }: KubeObject): Set<string> {
  const { managedFields } = metadata;
  const entries = Array.isArray(managedFields) ? managedFields.filter(isObject) : [];
  const own = entries.find(
    ({ manager, operation }) => manager === FIELD_MANAGER && operation === 'Apply',
  );
  const fields = descend(own, 'fieldsV1', 'f:metadata', 'f:labels');
  return new Set(
    Object.keys(fields)
      .filter((name) => name.startsWith('f:'))
      .map((name) => name.slice(2)),
  );
}

function descend(value: unknown, ...names: readonly string[]): Record<string, unknown> {
  const end = names.reduce((at, name) => (isObject(at) ? at[name] : undefined), value);
  return isObject(end) ? end : {};
}

function labelsOf({ metadata }: KubeObject): Labels {
  return descend(metadata, 'labels') as Labels;
}

function factsOf(object: KubeObject): EdgeNodeFacts {
  const { generation } = object.metadata;
  return {
    generation: typeof generation === 'number' ? generation : 0,
    drain: descend(object, 'spec')['drain'] === true,
    status: descend(object, 'status'),
  };
}

function sameEntries(a: Labels, b: Labels): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}

function kubeObject(answer: unknown): KubeObject {
  if (isKubeObject(answer)) return answer;
  const message = 'The API server answered with something that is no object';
  throw new ApiError(message, { status: 0, reason: 'Garbage' });
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}
