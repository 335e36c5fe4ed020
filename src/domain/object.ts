/** `namespace/name` of a namespaced object, or the bare name of a cluster-scoped one. */
export type ObjectKey = string;

export type Labels = Readonly<Record<string, string>>;

/** What every object carries, whatever its kind. */
export interface ObjectMeta {
  readonly key: ObjectKey;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** `metadata.creationTimestamp` in ms since 1970; 0 when the object does not say (files). */
  readonly createdMs: number;
  readonly labels: Labels;
  /** `metadata.deletionTimestamp` is set. */
  readonly deleting: boolean;
}

/** Names an object in messages: `Service default/web`. */
export interface ObjectRef {
  readonly kind: string;
  readonly key: ObjectKey;
}

/** The name in an object's key. */
export function nameOf(key: ObjectKey): string {
  return key.slice(key.indexOf('/') + 1);
}

export function objectKey(namespace: string, name: string): ObjectKey {
  return namespace === '' ? name : `${namespace}/${name}`;
}
