import type { ObjectRef } from '../../domain/object.ts';
import type { Problem, SourcePosition } from '../../domain/problem.ts';

/** Steps from an object's root to a field: `['spec', 'ports', 0, 'port']`. */
export type FieldPath = readonly (string | number)[];

/** Finds where a field stands in the text it came from; the nearest parent's place when it is absent. */
export type Locate = (path: FieldPath) => SourcePosition | undefined;

/** What decoding an object gave. `value` is `undefined` when the object cannot be used. */
export interface Decoded<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/**
 * A place in an unknown value, knowing its way back to the root. The readers below return a value of
 * the type asked for in any case, and report what was wrong; so a decoder is a list of plain reads.
 */
export interface Field {
  readonly value: unknown;
  readonly name: string | number;
  readonly parent: Field | undefined;
  readonly report: Report;
}

interface Report {
  object: ObjectRef | undefined;
  readonly locate: Locate | undefined;
  readonly problems: Problem[];
  errors: number;
}

/** Problems told about one object; more would not help anybody to mend it. */
const MAX_PROBLEMS_PER_OBJECT = 20;
/** Characters of a wrong value, or of a wrong name in a path, quoted in a message. */
const MAX_QUOTED = 60;

/** Runs `read` over an unknown value; its result counts when nothing was reported as an error. */
export function decode<T>(
  value: unknown,
  locate: Locate | undefined,
  read: (root: Field) => T | undefined,
): Decoded<T> {
  const report: Report = { object: undefined, locate, problems: [], errors: 0 };
  const root: Field = { value, name: '', parent: undefined, report };
  if (!isObject(value)) fail(root, `${quote(value)} is not an object`, 'Write a mapping');
  const result = report.errors === 0 ? read(root) : undefined;
  return { value: report.errors === 0 ? result : undefined, problems: report.problems };
}

/** Names the object in all problems that follow. */
export function nameObject(field: Field, object: ObjectRef): void {
  field.report.object = object;
}

/** The field of this name; its value is `undefined` when absent or when `parent` is no object. */
export function child(parent: Field, name: string): Field {
  const { value, report } = parent;
  const held = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
  return { value: held, name, parent, report };
}

/** The field at the end of a path of names. */
export function descend(parent: Field, ...names: readonly string[]): Field {
  return names.reduce(child, parent);
}

/** Kubernetes takes `null` for "not said", and so do we. */
export function isAbsent(field: Field): boolean {
  return field.value === undefined || field.value === null;
}

/** Reports something that makes the object unusable. */
export function fail(field: Field, message: string, remedy: string): void {
  field.report.errors += 1;
  add(field, 'error', message, remedy);
}

/** Reports something that leaves the object usable. */
export function warn(field: Field, message: string, remedy: string): void {
  add(field, 'warning', message, remedy);
}

function add(field: Field, severity: Problem['severity'], message: string, remedy: string) {
  const { report } = field;
  if (report.problems.length >= MAX_PROBLEMS_PER_OBJECT) return;
  const path = pathOf(field);
  const position = report.locate?.(path);
  report.problems.push({
    severity,
    ...(report.object === undefined ? {} : { object: report.object }),
    ...(position === undefined ? {} : { position }),
    ...(path.length === 0 ? {} : { field: formatPath(path) }),
    message,
    remedy,
  });
}

/** The field must be an object or absent. */
export function section(parent: Field, name: string): Field {
  const field = child(parent, name);
  if (!isAbsent(field) && !isObject(field.value)) {
    fail(field, `${quote(field.value)} is not a mapping`, `Write fields under ${name}:`);
  }
  return field;
}

/** The items of a list of at most `limit`; none when it is absent. */
export function items(field: Field, limit: number): Field[] {
  const { value, report } = field;
  if (isAbsent(field)) return [];
  if (!Array.isArray(value)) {
    fail(field, `${quote(value)} is not a list`, 'Write a list');
    return [];
  }
  if (value.length > limit) {
    fail(field, `The list has ${value.length} items, the limit is ${limit}`, 'Use several objects');
    return [];
  }
  return value.map((item, name) => ({ value: item, name, parent: field, report }));
}

/** Text, or `fallback` when absent. */
export function text(field: Field, fallback: string): string {
  if (isAbsent(field)) return fallback;
  if (typeof field.value === 'string') return field.value;
  fail(
    field,
    `${quote(field.value)} is not text`,
    'Write text, in quotes where it looks otherwise',
  );
  return fallback;
}

/** Text, or `undefined` when absent or empty. */
export function optionalText(field: Field): string | undefined {
  return text(field, '') || undefined;
}

/** What `parse` makes of the field's text, which is reported as not being `what` when it makes nothing. */
export function parsed<T>(
  field: Field,
  parse: (written: string) => T | undefined,
  what: string,
  remedy: string,
): T | undefined {
  const result = typeof field.value === 'string' ? parse(field.value) : undefined;
  if (result === undefined) fail(field, `${quote(field.value)} is not ${what}`, remedy);
  return result;
}

/** True or false, or `fallback` when absent. */
export function flag(field: Field, fallback: boolean): boolean {
  if (isAbsent(field)) return fallback;
  if (typeof field.value === 'boolean') return field.value;
  fail(field, `${quote(field.value)} is neither true nor false`, 'Write true or false, unquoted');
  return fallback;
}

/** An integer in `min`..`max`, or `fallback` when absent. */
export function integer<F>(field: Field, min: number, max: number, fallback: F): number | F {
  if (isAbsent(field)) return fallback;
  const { value } = field;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max)
    return value as number;
  const remedy = `Write a number from ${min} to ${max}, unquoted`;
  fail(field, `${quote(value)} is not an integer from ${min} to ${max}`, remedy);
  return fallback;
}

/** One of the words `allowed`, or `fallback` when absent. */
export function oneOf<T extends string>(field: Field, allowed: readonly T[], fallback: T): T {
  if (isAbsent(field)) return fallback;
  const found = allowed.find((word) => word === field.value);
  if (found !== undefined) return found;
  fail(field, `${quote(field.value)} is not known here`, `Use one of ${allowed.join(', ')}`);
  return fallback;
}

/** A wrong value as messages show it: short, and text in quotes. */
export function quote(value: unknown): string {
  if (value === undefined) return 'Nothing';
  if (Array.isArray(value)) return 'A list';
  if (isObject(value)) return 'A mapping';
  const shown = JSON.stringify(value) ?? String(value);
  return shown.length > MAX_QUOTED ? `${shown.slice(0, MAX_QUOTED)}…` : shown;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pathOf(field: Field): FieldPath {
  const path: Array<string | number> = [];
  for (let at: Field | undefined = field; at?.parent; at = at.parent) path.unshift(at.name);
  return path;
}

/** `spec.ports[0].port`, `metadata.annotations["metallb.io/address-pool"]`. */
function formatPath(path: FieldPath): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[A-Za-z_][A-Za-z0-9_-]{0,59}$/.test(step)) return `[${quote(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}
