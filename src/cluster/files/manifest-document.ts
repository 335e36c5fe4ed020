import type { Problem, SourcePosition } from '../../domain/problem.ts';
import { identityOf } from '../claim.ts';
import {
  type ClusterObject,
  decodeObject,
  isKind,
  KINDS,
  type Kind,
} from '../decode/cluster-object.ts';
import { type FieldPath, isObject, quote } from '../decode/field.ts';
import type { TextDocument, TextPosition } from './manifest-text.ts';

/** One object of a manifest, as far as it could be read. */
export interface ManifestObject {
  /** `undefined` when it is broken. */
  readonly object: ClusterObject | undefined;
  /** Names it over all files; `undefined` when it is too broken to tell. */
  readonly identity: string | undefined;
  readonly position: SourcePosition;
  /** What was written, as JSON, so that it can be kept. */
  readonly json: string;
}

/** What is read from documents is added here. */
export interface DocumentContents {
  readonly objects: ManifestObject[];
  readonly problems: Problem[];
  readonly ignored: string[];
}

/** A List may hold Lists, as kubectl writes them. */
const MAX_LIST_DEPTH = 4;
/** Items of all lists of a document; anchors can make few lines mean very many. */
const MAX_ITEMS = 100_000;

interface Reading {
  readonly contents: DocumentContents;
  readonly locate: (path: FieldPath) => SourcePosition;
  readonly slowToLocate: boolean;
  items: number;
}

/** Reads one document: an object, or a List of them. */
export function readDocument(
  document: TextDocument,
  placed: (position: TextPosition) => SourcePosition,
  contents: DocumentContents,
): void {
  const locate = (path: FieldPath) => placed(document.locate(path));
  const { value, slowToLocate } = document;
  readItem({ contents, locate, slowToLocate, items: 0 }, value, []);
}

function readItem(reading: Reading, value: unknown, path: FieldPath): void {
  reading.items += 1;
  if (!isObject(value)) {
    const remedy = 'Write apiVersion, kind and metadata';
    refuse(reading, path, `${quote(value)} is not an object`, remedy);
    return;
  }
  const { kind, apiVersion, items } = value;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
    refuse(reading, path, 'The object has no kind or no apiVersion', 'Write both, as text');
    return;
  }
  if (kind.endsWith('List') && Array.isArray(items)) readList(reading, items, path);
  else if (!isKind(kind) || groupOf(apiVersion) !== groupOf(KINDS[kind].apiVersion))
    reading.contents.ignored.push(`${apiVersion} ${kind}`);
  else readObject(reading, kind, value, path);
}

function readList(reading: Reading, items: readonly unknown[], path: FieldPath) {
  if (path.length >= 2 * MAX_LIST_DEPTH || reading.items + items.length > MAX_ITEMS) {
    refuse(reading, path, 'The List holds too many items or Lists', 'Use several documents');
    return;
  }
  for (const [index, item] of items.entries()) readItem(reading, item, [...path, 'items', index]);
}

function readObject(reading: Reading, kind: Kind, value: Record<string, unknown>, path: FieldPath) {
  const { contents, locate, slowToLocate } = reading;
  const json = stringify(value);
  if (json === undefined) {
    refuse(
      reading,
      path,
      'The object contains itself',
      'Remove the anchor that means its own parent',
    );
    return;
  }
  const decoded = decodeObject(kind, value, (field) => locate([...path, ...field]));
  const named = decoded.problems.findLast((problem) => problem.object)?.object?.key;
  const key = decoded.value?.value.key ?? named;
  contents.problems.push(...decoded.problems);
  const isRead = value['apiVersion'] === KINDS[kind].apiVersion;
  if (!isRead) {
    contents.problems.push({
      severity: 'warning',
      ...(key === undefined ? {} : { object: { kind, key } }),
      position: locate([...path, 'apiVersion']),
      field: 'apiVersion',
      message: `${quote(value['apiVersion'])} is a version of ${kind} that is not read`,
      remedy: `Write ${KINDS[kind].apiVersion}`,
    });
  }
  contents.objects.push({
    object: isRead ? decoded.value : undefined,
    identity: key === undefined ? undefined : identityOf(kind, key),
    position: locate(slowToLocate ? [] : path),
    json,
  });
}

/** What cannot be told what it is may be any object that the file held before. */
function refuse({ contents, locate }: Reading, path: FieldPath, message: string, remedy: string) {
  const position = locate(path);
  contents.problems.push({ severity: 'error', position, message, remedy });
  contents.objects.push({ object: undefined, identity: undefined, position, json: '' });
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

/** `undefined` for what an anchor has made circular. */
function stringify(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
