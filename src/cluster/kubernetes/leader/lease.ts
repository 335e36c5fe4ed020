import { isKubeObject, type KubeObject } from '../kube-object.ts';
import { JOURNAL_ANNOTATION } from './journal.ts';

/** What a leader writes into a Lease (coordination.k8s.io/v1), in the manner of client-go. */
export interface LeaseContent {
  /** `spec.holderIdentity`; empty when nobody holds it. */
  readonly holder: string;
  /** `spec.leaseDurationSeconds`; whole seconds. */
  readonly durationMs: number;
  /** `spec.acquireTime` and `spec.renewTime` as they stand there (MicroTime); empty when absent. */
  readonly acquireTime: string;
  readonly renewTime: string;
  /** `spec.leaseTransitions`: how often it changed hands. */
  readonly transitions: number;
  /** Text of the annotation; `undefined` when it is absent. */
  readonly journal: string | undefined;
}

/** A Lease as the API server has it. */
export interface Lease extends LeaseContent {
  /** What others have put there (labels, annotations, fields) is kept when it is written. */
  readonly object: KubeObject;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads a Lease; `undefined` for what is no object at all. Fields edited into nonsense count as absent. */
export function decodeLease(value: unknown): Lease | undefined {
  if (!isKubeObject(value)) return undefined;
  const spec = record(value['spec']);
  return {
    object: value,
    holder: text(spec['holderIdentity']) ?? '',
    durationMs: count(spec['leaseDurationSeconds']) * 1000,
    acquireTime: text(spec['acquireTime']) ?? '',
    renewTime: text(spec['renewTime']) ?? '',
    transitions: count(spec['leaseTransitions']),
    journal: text(record(value.metadata['annotations'])[JOURNAL_ANNOTATION]),
  };
}

/** The body of the PUT that changes `before`, which may not have changed in between. */
export function encodeLease({ object }: Lease, content: LeaseContent): unknown {
  const { name, namespace, uid, resourceVersion, labels, finalizers } = object.metadata;
  const { ownerReferences, annotations } = object.metadata;
  return {
    apiVersion: API_VERSION,
    kind: 'Lease',
    metadata: {
      ...{ name, namespace, uid, resourceVersion, labels, finalizers, ownerReferences },
      annotations: { ...record(annotations), ...annotationsOf(content) },
    },
    spec: { ...record(object['spec']), ...specOf(content) },
  };
}

/** The body of the POST that creates it. */
export function newLease(namespace: string, name: string, content: LeaseContent): unknown {
  return {
    apiVersion: API_VERSION,
    kind: 'Lease',
    metadata: { namespace, name, annotations: annotationsOf(content) },
    spec: specOf(content),
  };
}

const API_VERSION = 'coordination.k8s.io/v1';

function specOf({ holder, durationMs, acquireTime, renewTime, transitions }: LeaseContent) {
  const leaseDurationSeconds = Math.max(1, Math.round(durationMs / 1000));
  const leaseTransitions = transitions;
  return {
    holderIdentity: holder,
    leaseDurationSeconds,
    acquireTime,
    renewTime,
    leaseTransitions,
  };
}

function annotationsOf({ journal }: LeaseContent): Fields {
  return journal === undefined ? {} : { [JOURNAL_ANNOTATION]: journal };
}

/** True when the Lease is in the same hands since the same renewal. */
export function sameHold(a: LeaseContent, b: LeaseContent): boolean {
  return (
    a.holder === b.holder &&
    a.renewTime === b.renewTime &&
    a.acquireTime === b.acquireTime &&
    a.transitions === b.transitions
  );
}

/** meta/v1 MicroTime: always six digits. */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z');
}

function record(value: unknown): Fields {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isRecord ? (value as Fields) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 ? value : 0;
}
