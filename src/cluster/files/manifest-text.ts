import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml';
import type { FieldPath } from '../decode/field.ts';

/** A place in a text; lines and columns count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** One YAML document (or JSON text) as plain values, and the way from a field to its place. */
export interface TextDocument {
  readonly value: unknown;
  /** Where a field stands; the nearest parent's place when it is absent. */
  readonly locate: (path: FieldPath) => TextPosition;
  /** True when finding a place costs as much as reading the text; the start is always cheap. */
  readonly slowToLocate: boolean;
}

export type ParsedText =
  | { readonly documents: readonly TextDocument[] }
  | { readonly error: string; readonly position: TextPosition };

/** Anchors may be used so often in one document; more is an attack or an accident. */
const MAX_ALIASES = 1000;

/** Reads a text of one or more YAML 1.2 documents. Never throws. */
export function parseManifestText(text: string): ParsedText {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, {
    lineCounter: lines,
    prettyErrors: false,
    merge: true,
    logLevel: 'error',
  });
  const documents: TextDocument[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const [error] = document.errors;
    if (error) return { error: withoutSource(error.message), position: place(lines, error.pos[0]) };
    if (document.contents === null) continue;
    try {
      const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
      if (value === null) continue;
      const find = (path: FieldPath) => locate(document, lines, path);
      documents.push({ value, locate: find, slowToLocate: false });
    } catch (cause) {
      const position = place(lines, document.range?.[0] ?? 0);
      return { error: withoutSource((cause as Error).message), position };
    }
  }
  return { documents };
}

/**
 * Reads a JSON text, by the fast parser of JSON. Where it fails, or a place is asked for, the text is
 * read as YAML, which JSON is a part of; so comments and trailing commas are forgiven.
 */
export function parseJsonText(text: string): ParsedText {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return parseManifestText(text);
  }
  let parsed: ParsedText | undefined;
  const locate = (path: FieldPath): TextPosition => {
    if (path.length > 0) parsed ??= parseManifestText(text);
    const document = parsed && 'documents' in parsed ? parsed.documents[0] : undefined;
    return document?.locate(path) ?? { line: 1, column: 1 };
  };
  return { documents: value === null ? [] : [{ value, locate, slowToLocate: true }] };
}

/**
 * The parser's messages may quote the source behind a colon, as a tag, and on further lines: it may be a
 * password that lacks its quotes.
 */
function withoutSource(message: string): string {
  const [sentence = ''] = message.split('\n');
  return sentence
    .replace(/(?<=[\w)]): .*$/, '')
    .replace(/!\S+/g, '!')
    .replace(/[.:]$/, '');
}

function place(lines: LineCounter, offset: number): TextPosition {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function locate(document: Document.Parsed, lines: LineCounter, path: FieldPath): TextPosition {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0] ?? 0;
  for (const step of path) {
    const found = stepInto(isAlias(node) ? node.resolve(document) : node, step);
    if (found === undefined) break;
    node = found.node;
    offset = found.offset ?? offset;
  }
  return place(lines, offset);
}

/** A scalar stands where its value does, anything larger where its name does. */
function stepInto(parent: unknown, step: string | number) {
  if (isSeq(parent) && typeof step === 'number') {
    const node = parent.items[step];
    return { node, offset: startOf(node) };
  }
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(
    (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === step,
  );
  if (pair === undefined) return undefined;
  const named = startOf(pair.key);
  const plain = isScalar(pair.value) && pair.value.value !== null;
  return { node: pair.value, offset: plain ? (startOf(pair.value) ?? named) : named };
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}
