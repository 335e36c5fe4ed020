/** An object as the API server sends it: parsed JSON with metadata that is known to be there. */
export interface KubeObject {
  /** Absent in the items of lists of built-in kinds. */
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: KubeMetadata;
  readonly [field: string]: unknown;
}

/** Only what every object has is typed; the rest is for the decoders. */
export interface KubeMetadata {
  readonly name: string;
  /** Absent for cluster-scoped objects. */
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly [field: string]: unknown;
}

/** One change of a watched kind. `object` is the state after it, or the last one of a deleted object. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

/** Tells whether a value has the metadata that the API server gives every object. */
export function isKubeObject(value: unknown): value is KubeObject {
  if (typeof value !== 'object' || value === null) return false;
  const { metadata } = value as { metadata?: unknown };
  if (typeof metadata !== 'object' || metadata === null) return false;
  const { name, namespace, uid, resourceVersion } = metadata as Record<string, unknown>;
  return (
    filled(name) &&
    filled(uid) &&
    filled(resourceVersion) &&
    (namespace === undefined || filled(namespace))
  );
}

function filled(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
