import type Type from 'typebox';
import { Settings as TypeSystem } from 'typebox/system';
import { Value } from 'typebox/value';
import { type Document, isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Problem, SourcePosition } from '../domain/problem.ts';
import type { Locate } from './decode.ts';
import { nearestOf } from './nearest.ts';
import { SettingsFile } from './schema.ts';

/** At most so many problems of one file are reported. */
const MAX_PROBLEMS = 100;

/** A valid file with its defaults filled in, or all its problems. */
export type FileResult =
  | { readonly ok: true; readonly value: SettingsFile; readonly position: Locate }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** The parts of a JSON Schema that the words of an error need. */
interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly is?: string;
  readonly remedy?: string;
}

type Path = readonly (string | number)[];

/** Reads YAML and checks it against the schema; every problem carries its place in the file. */
export function readSettingsFile(text: string, file: string): FileResult {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    logLevel: 'error',
  });
  if (document.errors.length > 0) {
    return { ok: false, problems: document.errors.map((error) => syntax(error, lines, file)) };
  }
  const position: Locate = (path) => locate(document, lines, file, path);
  const written = contentOf(document);
  if (written instanceof Error) {
    return {
      ok: false,
      problems: [syntax({ message: written.message, pos: [0, 0] }, lines, file)],
    };
  }
  TypeSystem.Set({ maxErrors: MAX_PROBLEMS });
  const value = Value.Default(SettingsFile, written ?? {});
  const problems = Value.Errors(SettingsFile, value)
    .flatMap((error) => explain(error, value, position))
    .sort((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0));
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, value: value as SettingsFile, position };
}

function syntax(
  error: { readonly message: string; readonly pos: [number, number] },
  lines: LineCounter,
  file: string,
): Problem {
  const { line, col } = lines.linePos(error.pos[0]);
  return {
    severity: 'error',
    position: { file, line, column: col },
    message: `YAML is not readable: ${error.message.replace(/\.$/, '')}`,
    remedy: 'Mend the line; indent with spaces and quote values that hold ":" or "#"',
  };
}

/** The document as plain data; an error when its aliases do not resolve or are too many. */
function contentOf(document: Document): unknown {
  try {
    return withoutNulls(document.toJS());
  } catch (error) {
    return error as Error;
  }
}

/** A key without a value (`speaker:` and nothing below it) is as good as no key. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, child]) =>
      child === null ? [] : [[key, withoutNulls(child)]],
    ),
  );
}

type SchemaError = ReturnType<typeof Value.Errors>[number];

/** One problem of the validator as problems of ours; what another already says is left out. */
function explain(error: SchemaError, value: unknown, position: Locate): Problem[] {
  const path = pathOf(error.instancePath);
  if (error.keyword === 'additionalProperties') {
    const { additionalProperties } = error.params as { additionalProperties: string[] };
    return additionalProperties.map((key) => unknownKey([...path, key], position));
  }
  // An unknown key is reported a second time as a value that must not be, and a value of the wrong
  // type can fail its refinement as well.
  const found = valueAt(value, path);
  const schema = schemaAt(path);
  if (error.keyword === 'boolean' || !schema) return [];
  if (error.keyword === '~refine' && !hasType(found, schema)) return [];
  const words = expected(schema, found);
  return [
    {
      severity: 'error',
      position: position(path),
      field: fieldName(path),
      message:
        error.keyword === 'uniqueItems'
          ? 'The same entry stands twice'
          : `${JSON.stringify(found)} is not ${words.is}`,
      remedy: error.keyword === 'uniqueItems' ? 'Remove one of them' : words.remedy,
    },
  ];
}

function unknownKey(path: Path, position: Locate): Problem {
  const key = String(path.at(-1));
  const siblings = Object.keys(schemaAt(path.slice(0, -1))?.properties ?? {});
  const meant = nearestOf(key, siblings);
  return {
    severity: 'error',
    position: position(path),
    field: fieldName(path),
    message: `"${key}" is not a setting`,
    remedy: meant ? `Did you mean "${meant}"?` : `Known here: ${siblings.join(', ')}`,
  };
}

/** The words for what a schema wants: its own, else those that follow from its type. */
function expected(schema: SchemaNode, found: unknown): { is: string; remedy: string } {
  if (schema.enum) {
    const meant = nearestOf(String(found), schema.enum);
    const choices = schema.enum.map((choice) => `"${choice}"`).join(', ');
    const is = schema.enum.length === 1 ? choices : `one of ${choices}`;
    return { is, remedy: meant ? `Did you mean "${meant}"?` : 'Write one of these' };
  }
  if (schema.is && schema.remedy) return { is: schema.is, remedy: schema.remedy };
  switch (schema.type) {
    case 'integer': {
      const range = `from ${schema.minimum} to ${schema.maximum}`;
      return { is: `a whole number ${range}`, remedy: `Write a number ${range}` };
    }
    case 'boolean':
      return { is: 'true or false', remedy: 'Write true or false, without quotes' };
    case 'array':
      return { is: 'a list', remedy: 'Write the entries in brackets, for example [a, b]' };
    default:
      return { is: 'a section', remedy: 'Write its settings on the lines below, indented' };
  }
}

function hasType(value: unknown, schema: SchemaNode): boolean {
  return schema.type === 'integer'
    ? typeof value === 'number' &&
        value >= (schema.minimum ?? value) &&
        value <= (schema.maximum ?? value)
    : typeof value === schema.type;
}

/** Splits a JSON pointer (RFC 6901). */
function pathOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function fieldName(path: Path): string {
  return path
    .map((part, index) => (/^\d+$/.test(String(part)) ? `[${part}]` : index ? `.${part}` : part))
    .join('');
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (node, part) => (node as Record<string | number, unknown> | undefined)?.[part],
    value,
  );
}

function schemaAt(path: Path): SchemaNode | undefined {
  return path.reduce<SchemaNode | undefined>((schema, part) => {
    if (schema?.items) return schema.items;
    return Object.hasOwn(schema?.properties ?? {}, part) ? schema?.properties?.[part] : undefined;
  }, SettingsFile satisfies Type.TSchema);
}

/** The key of the deepest part of `path` that the file holds; the file alone when it holds none. */
function locate(document: Document, lines: LineCounter, file: string, path: Path): SourcePosition {
  let node: unknown = document.contents;
  let offset: number | undefined;
  for (const part of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === part);
      if (!isPair(pair)) break;
      offset = (pair.key as { range?: [number, number, number] }).range?.[0] ?? offset;
      node = pair.value;
    } else {
      const item = (node as { items?: unknown[] } | undefined)?.items?.[Number(part)];
      offset = (item as { range?: [number, number, number] } | undefined)?.range?.[0] ?? offset;
      node = item;
    }
  }
  if (offset === undefined) return { file };
  const { line, col } = lines.linePos(offset);
  return { file, line, column: col };
}
