import type { Protocol } from '../../../domain/service.ts';
import type { KubeObject } from '../kube-object.ts';

/**
 * What of a Service as the API server sent it decides how its status reads and how a patch of it
 * looks. Small, since one is kept for each Service.
 */
export interface StatusBase {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  /** `metadata.deletionTimestamp` is set: only finalizers can still be taken away. */
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
  /** `metallb.io/ip-allocated-from-pool`; `undefined` when absent. */
  readonly pool: string | undefined;
  /** The same under MetalLB's former prefix. */
  readonly formerPool: string | undefined;
  /** `status.loadBalancer.ingress`, as it came. */
  readonly ingress: readonly ApiIngress[];
  /** `status.conditions`, as they came: others' may have fields that we do not know. */
  readonly conditions: readonly ApiCondition[];
  /** `spec.ports`: an ingress that names ports with errors has to name them all. */
  readonly ports: readonly { readonly port: number; readonly protocol: Protocol }[];
}

/** `status.loadBalancer.ingress[]` of core/v1. */
export interface ApiIngress {
  readonly ip?: string;
  readonly hostname?: string;
  readonly ipMode?: string;
  readonly ports?: readonly ApiPortStatus[];
}

export interface ApiPortStatus {
  readonly port: number;
  readonly protocol: string;
  readonly error?: string;
}

/** meta/v1 Condition. */
export interface ApiCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** Added with an address; while it is there, a deleted Service stays until the address is given back. */
export const CLEANUP_FINALIZER = 'service.kubernetes.io/load-balancer-cleanup';
export const POOL_ANNOTATION = 'metallb.io/ip-allocated-from-pool';
export const FORMER_POOL_ANNOTATION = 'metallb.universe.tf/ip-allocated-from-pool';

/** Takes out of a core/v1 Service what its status is made of. Nothing in it is trusted yet. */
export function statusBaseOf(object: KubeObject): StatusBase {
  const { metadata } = object;
  const annotations = record(metadata['annotations']);
  const status = record(object['status']);
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    deleting: typeof metadata['deletionTimestamp'] === 'string',
    finalizers: list(metadata['finalizers']).filter((name) => typeof name === 'string'),
    pool: text(annotations[POOL_ANNOTATION]),
    formerPool: text(annotations[FORMER_POOL_ANNOTATION]),
    ingress: list(record(status['loadBalancer'])['ingress']).filter(isIngress),
    conditions: list(status['conditions']).filter(isCondition),
    ports: list(record(object['spec'])['ports']).flatMap(portOf),
  };
}

const NONE: readonly never[] = [];

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) && value.length > 0 ? value : NONE;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function isIngress(value: unknown): value is ApiIngress {
  const { ip, hostname, ipMode, ports = NONE } = record(value);
  const areTexts = [ip, hostname, ipMode].every((field = '') => typeof field === 'string');
  return isRecord(value) && areTexts && Array.isArray(ports) && ports.every(isPortStatus);
}

function isPortStatus(value: unknown): value is ApiPortStatus {
  const { port, protocol, error = '' } = record(value);
  return typeof port === 'number' && typeof protocol === 'string' && typeof error === 'string';
}

/** The API wants all of them; who wrote less is not to blame for what follows. */
function isCondition(value: unknown): value is ApiCondition {
  const { type, status, reason = '', message = '', lastTransitionTime = '' } = record(value);
  return [type, status, reason, message, lastTransitionTime].every(
    (field) => typeof field === 'string',
  );
}

function portOf(value: unknown): StatusBase['ports'] {
  const { port, protocol = 'TCP' } = record(value);
  const isKnown = protocol === 'TCP' || protocol === 'UDP' || protocol === 'SCTP';
  return typeof port === 'number' && isKnown ? [{ port, protocol }] : [];
}
