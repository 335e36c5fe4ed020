import type { Problem, SourcePosition } from '../../domain/problem.ts';
import { type DocumentContents, type ManifestObject, readDocument } from './manifest-document.ts';
import { parseJsonText, parseManifestText, type TextPosition } from './manifest-text.ts';

/** What a file says. With `syntaxError` nothing of it can be trusted. */
export interface Manifest {
  readonly objects: readonly ManifestObject[];
  readonly problems: readonly Problem[];
  readonly syntaxError: boolean;
  /** Objects that we do not read, for the log: `apps/v1 Deployment`. */
  readonly ignored: readonly string[];
}

/** Reads the versions of one file, and reads only those documents again that have changed. */
export interface ManifestReader {
  /** `breathe` is called between documents; what it returns is awaited. */
  read(text: string, breathe: () => Promise<void> | undefined): Promise<Manifest>;
}

const MAX_OBJECTS = 100_000;

interface Part extends Manifest {
  /** Line of the file at which the part starts; all positions count from there. */
  readonly firstLine: number;
}

export function createManifestReader(file: string): ManifestReader {
  let known = new Map<string, Part>();

  return {
    async read(text, breathe) {
      const parts: Part[] = [];
      const now = new Map<string, Part>();
      for (const { part, firstLine } of splitDocuments(text, file.endsWith('.json'))) {
        const before = known.get(part);
        const read =
          before === undefined ? readPart(file, part, firstLine) : moveTo(before, firstLine);
        now.set(part, read);
        parts.push(read);
        await breathe();
      }
      known = now;
      return join(file, parts);
    },
  };
}

/** Cuts a text at its `---` lines, which YAML allows nowhere else; not where it has directives. */
function splitDocuments(text: string, json: boolean) {
  if (json || /^(%|\.\.\.(\s|$))/m.test(text)) return [{ part: text, firstLine: 1 }];
  const parts: Array<{ part: string; firstLine: number }> = [];
  let firstLine = 1;
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    parts.push({ part, firstLine });
    firstLine += countNewlines(part);
  }
  return parts;
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}

function join(file: string, parts: readonly Part[]): Manifest {
  const objects = parts.flatMap((part) => part.objects);
  const problems = parts.flatMap((part) => part.problems);
  const ignored = parts.flatMap((part) => part.ignored);
  if (objects.length <= MAX_OBJECTS) {
    return { objects, problems, ignored, syntaxError: parts.some((part) => part.syntaxError) };
  }
  const problem: Problem = {
    severity: 'error',
    position: { file },
    message: `The file has ${objects.length} objects, the limit is ${MAX_OBJECTS}`,
    remedy: 'Use several files',
  };
  return { objects: [], problems: [problem], ignored: [], syntaxError: true };
}

function moveTo(part: Part, firstLine: number): Part {
  const shift = firstLine - part.firstLine;
  if (shift === 0) return part;
  const move = (position: SourcePosition): SourcePosition => ({
    ...position,
    line: (position.line ?? 1) + shift,
  });
  return {
    ...part,
    firstLine,
    objects: part.objects.map((one) => ({ ...one, position: move(one.position) })),
    problems: part.problems.map((problem) =>
      problem.position ? { ...problem, position: move(problem.position) } : problem,
    ),
  };
}

function readPart(file: string, text: string, firstLine: number): Part {
  const parsed = file.endsWith('.json') ? parseJsonText(text) : parseManifestText(text);
  const placed = ({ line, column }: TextPosition): SourcePosition => ({
    file,
    line: line + firstLine - 1,
    column,
  });
  if ('error' in parsed) {
    const problem: Problem = {
      severity: 'error',
      position: placed(parsed.position),
      message: parsed.error,
      remedy: 'Mend the syntax; until then all of the file stays as it was',
    };
    return { firstLine, objects: [], problems: [problem], syntaxError: true, ignored: [] };
  }
  const contents: DocumentContents = { objects: [], problems: [], ignored: [] };
  for (const document of parsed.documents) readDocument(document, placed, contents);
  return { ...contents, firstLine, syntaxError: false };
}
