import { isObject } from '../../decode/field.ts';
import type { KubeObject } from '../kube-object.ts';

/** Label of heartbeat Leases and EdgeNodes; its value is the box's name. */
export const EDGE_NODE_LABEL = 'tidegate.io/edge-node';

/** Name of the heartbeat Lease of a box. */
export function heartbeatLeaseName(box: string): string {
  return `${HEARTBEAT_PREFIX}${box}`;
}

export function isHeartbeatLease(name: string): boolean {
  return name.startsWith(HEARTBEAT_PREFIX);
}

const HEARTBEAT_PREFIX = 'edgenode-';

/** What a heartbeat Lease (coordination.k8s.io/v1) says. */
export interface Heartbeat {
  readonly box: string;
  /** Empty when the box has stopped. */
  readonly holder: string;
  /** As written; `undefined` when it was never renewed. */
  readonly renewTime: string | undefined;
}

/** `undefined` for Leases that are no heartbeats. */
export function readHeartbeat({ metadata, spec }: KubeObject): Heartbeat | undefined {
  const { labels } = metadata;
  const box = isObject(labels) ? labels[EDGE_NODE_LABEL] : undefined;
  if (typeof box !== 'string' || metadata.name !== heartbeatLeaseName(box)) return undefined;
  const { holderIdentity, renewTime } = isObject(spec) ? spec : {};
  return {
    box,
    holder: typeof holderIdentity === 'string' ? holderIdentity : '',
    renewTime: typeof renewTime === 'string' ? renewTime : undefined,
  };
}

/** meta/v1 MicroTime. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}
