import { type Labels, type ObjectMeta, objectKey } from '../../domain/object.ts';
import {
  child,
  descend,
  type Field,
  fail,
  isAbsent,
  isObject,
  nameObject,
  quote,
  section,
  text,
  warn,
} from './field.ts';

/** RFC 1123 label and subdomain, as the Kubernetes API checks names. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const MAX_SUBDOMAIN = 253;
/** `prefix/name` of labels and annotations, and what a label's value may be. */
const LABEL_NAME = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
const MAX_LABELS = 256;

/** Where namespaced manifests go that name no namespace, as with kubectl. */
const DEFAULT_NAMESPACE = 'default';

export interface NameRules {
  readonly kind: string;
  readonly namespaced: boolean;
  /** `label`: at most 63 characters and no dots. */
  readonly name: 'label' | 'subdomain';
}

/** Reads `metadata` and names the object in the problems that follow. */
export function readMeta(root: Field, rules: NameRules): ObjectMeta {
  const metadata = section(root, 'metadata');
  const name = readName(child(metadata, 'name'), rules.name);
  const namespace = rules.namespaced ? readNamespace(child(metadata, 'namespace')) : '';
  const key = objectKey(namespace, name);
  const isNamed = name !== '' && (namespace !== '' || !rules.namespaced);
  if (isNamed) nameObject(root, { kind: rules.kind, key });
  return {
    key,
    namespace,
    name,
    uid: text(child(metadata, 'uid'), ''),
    createdMs: readTime(child(metadata, 'creationTimestamp')),
    labels: readLabels(child(metadata, 'labels')),
    deleting: !isAbsent(child(metadata, 'deletionTimestamp')),
  };
}

function readName(field: Field, form: NameRules['name']): string {
  const name = text(field, '');
  if (name === '') {
    fail(field, 'The object has no name', 'Give it a name in metadata.name');
    return '';
  }
  const good = form === 'label' ? LABEL.test(name) : isSubdomain(name);
  if (good) return name;
  const shape =
    form === 'label'
      ? 'at most 63 of a-z, 0-9 and -'
      : 'labels of a-z, 0-9 and -, with dots between';
  fail(field, `${quote(name)} is not a DNS-1123 ${form}`, `Use ${shape}`);
  return '';
}

function readNamespace(field: Field): string {
  const namespace = text(field, DEFAULT_NAMESPACE) || DEFAULT_NAMESPACE;
  if (LABEL.test(namespace)) return namespace;
  fail(field, `${quote(namespace)} is not a DNS-1123 label`, 'Use at most 63 of a-z, 0-9 and -');
  return '';
}

export function isSubdomain(name: string): boolean {
  return name.length <= MAX_SUBDOMAIN && SUBDOMAIN.test(name);
}

export function isLabelName(name: string): boolean {
  return LABEL_NAME.test(name);
}

/** An RFC 3339 time in ms since 1970; 0 when absent. */
function readTime(field: Field): number {
  const written = text(field, '');
  if (written === '') return 0;
  const ms = /^\d{4}-\d\d-\d\dT/.test(written) ? Date.parse(written) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  warn(field, `${quote(written)} is not an RFC 3339 time`, 'Write it as 2026-01-31T12:00:00Z');
  return 0;
}

/** A map of label names to label values. */
export function readLabels(field: Field): Labels {
  if (isAbsent(field)) return {};
  if (!isObject(field.value)) {
    fail(field, `${quote(field.value)} is not a mapping`, 'Write name: value lines');
    return {};
  }
  const names = Object.keys(field.value);
  if (names.length > MAX_LABELS)
    fail(field, `There are ${names.length} labels, the limit is ${MAX_LABELS}`, 'Remove some');
  return Object.fromEntries(
    names.slice(0, MAX_LABELS).map((name) => [name, readLabel(child(field, name), name)]),
  );
}

function readLabel(field: Field, name: string): string {
  const value = text(field, '');
  if (!LABEL_NAME.test(name))
    fail(
      field,
      `${quote(name)} is not a label's name`,
      'Use an optional prefix/ and at most 63 of A-Z, a-z, 0-9, dots, - and _',
    );
  if (!LABEL_VALUE.test(value))
    fail(
      field,
      `${quote(value)} is not a label's value`,
      'Use at most 63 of A-Z, a-z, 0-9, dots, - and _, or nothing',
    );
  return value;
}

/** The field of one annotation. */
export function annotation(root: Field, name: string): Field {
  return descend(root, 'metadata', 'annotations', name);
}
