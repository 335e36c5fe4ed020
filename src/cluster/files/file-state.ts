import type { Problem } from '../../domain/problem.ts';
import { type Claim, identityOf } from '../claim.ts';
import { createManifestReader, type Manifest, type ManifestReader } from './manifest.ts';
import type { ManifestObject } from './manifest-document.ts';
import type { FileNews } from './manifest-files.ts';

/** What a manifest file says, as far as it is good, and for the rest what it said before. */
export interface FileState {
  readonly claims: readonly Claim[];
  readonly problems: readonly Problem[];
  /** The file holds no object any more. Those it had stay until it has been so for a while. */
  readonly isEmptied: boolean;
  /** Objects that were passed over, for the log. */
  readonly ignored: readonly string[];
  readonly reader: ManifestReader;
}

/** What is known of a file besides its text. */
export interface FileContext {
  /** As people know it, for messages. */
  readonly shownPath: string;
  /** What an earlier process had from this file; asked for only when there is no state yet. */
  readonly former: () => readonly Claim[];
  readonly wasInForce: (identity: string) => boolean;
  readonly breathe: () => Promise<void> | undefined;
}

/** The state after some news. A file that has gone has none, and its objects go with it. */
export async function nextFileState(
  before: FileState | undefined,
  news: FileNews,
  context: FileContext,
): Promise<FileState | undefined> {
  if (news.kind === 'gone') return undefined;
  const reader = before?.reader ?? createManifestReader(context.shownPath);
  const former = () => before?.claims ?? context.former();
  const base = { reader, ignored: [], isEmptied: false };
  if (news.kind === 'unreadable')
    return { ...base, claims: former(), problems: [unreadable(news.error, context.shownPath)] };
  const manifest = await reader.read(news.text, context.breathe);
  if (manifest.syntaxError) return { ...base, claims: former(), problems: manifest.problems };
  const { ignored } = manifest;
  if (manifest.objects.length === 0 && former().length > 0)
    return { ...base, ignored, claims: former(), problems: [], isEmptied: true };
  return { ...base, ignored, ...merge(manifest, former, before, context) };
}

/** The state of a file that cannot be looked at, as an earlier process had it. */
export function restoredFileState(claims: readonly Claim[], shownPath: string): FileState {
  const reader = createManifestReader(shownPath);
  return { claims, problems: [], isEmptied: false, ignored: [], reader };
}

/** The state of a file that has stayed empty. */
export function emptied(state: FileState): FileState {
  return { ...state, claims: [], isEmptied: false };
}

/** Good objects as they are written now, broken ones as they were. */
function merge(
  manifest: Manifest,
  former: () => readonly Claim[],
  before: FileState | undefined,
  context: FileContext,
): { claims: Claim[]; problems: Problem[] } {
  const reused = new Map(before?.claims.map((claim) => [claim.position, claim]));
  const claims = manifest.objects.flatMap((one) => claimOf(one, reused, context));
  const broken = manifest.objects.filter(({ object }) => object === undefined);
  if (broken.length === 0) return { claims, problems: [...manifest.problems] };
  const said = new Set(manifest.objects.map(({ identity }) => identity));
  const unnamed = broken.some(({ identity }) => identity === undefined);
  const kept = former().filter((claim) => {
    const identity = identityOf(claim.object.kind, claim.object.value.key);
    // A broken object without a name may be any of those that are missing.
    return said.has(identity) ? broken.some((one) => one.identity === identity) : unnamed;
  });
  const keptNames = new Set(kept.map(({ object }) => `${object.kind} ${object.value.key}`));
  const problems = manifest.problems.map((problem) => {
    const { object, remedy } = problem;
    if (!object || !keptNames.has(`${object.kind} ${object.key}`)) return problem;
    return { ...problem, remedy: `${remedy}; until then the object stays as it was` };
  });
  return { claims: [...claims, ...kept], problems };
}

/** The very same claim as before where nothing about it has changed, which saves comparing. */
function claimOf(
  { object, identity, position, json }: ManifestObject,
  reused: ReadonlyMap<unknown, Claim>,
  context: FileContext,
): Claim[] {
  if (object === undefined || identity === undefined) return [];
  const before = reused.get(position);
  if (before?.object === object) return [before];
  return [{ object, position, wasInForce: context.wasInForce(identity), written: json }];
}

function unreadable(error: Error, file: string): Problem {
  return {
    severity: 'error',
    position: { file },
    message: `The file cannot be read: ${error.message}`,
    remedy: 'Make it readable, or remove it; until then it counts as it was',
  };
}
