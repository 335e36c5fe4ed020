import { isDeepStrictEqual } from 'node:util';
import type { ObjectKey } from '../domain/object.ts';
import type { Problem, SourcePosition } from '../domain/problem.ts';
import { samePassword } from './decode/bgp-password.ts';
import type { ClusterObject, Kind } from './decode/cluster-object.ts';
import { sameSecretValues } from './decode/secret.ts';

/** An object that a document says should be, and where it says so. */
export interface Claim {
  readonly object: ClusterObject;
  readonly position: SourcePosition | undefined;
  /** An earlier process had this one in force: of several, it is taken first. */
  readonly wasInForce: boolean;
  /** The object as it was written, as JSON, where somebody keeps it. */
  readonly written?: string;
}

/** A claim with the document that makes it. */
export interface Holder {
  readonly document: string;
  readonly claim: Claim;
}

/** Names an object over all documents. Pools are asked for by bare name, so that is all they have. */
export function identityOf(kind: Kind, key: ObjectKey): string {
  return `${kind} ${kind === 'IPAddressPool' ? key.slice(key.indexOf('/') + 1) : key}`;
}

/**
 * Which of several claims counts: one of the document whose claim counts now, in it the one that says
 * what counts now; else the one that counted in an earlier process; else the first.
 */
export function choose(
  candidates: readonly Holder[],
  inForce: Holder | undefined,
): Holder | undefined {
  if (candidates.length < 2) return candidates[0];
  const same = candidates.filter(({ document }) => document === inForce?.document);
  return (
    same.find(({ claim }) => inForce && sameObject(claim.object, inForce.claim.object)) ??
    same[0] ??
    candidates.find(({ claim }) => claim.wasInForce) ??
    candidates[0]
  );
}

/** One problem for each claim that does not count. */
export function duplicateProblems(
  candidates: readonly Holder[],
  chosen: Holder | undefined,
): Problem[] {
  if (chosen === undefined || candidates.length < 2) return [];
  const { kind, value } = chosen.claim.object;
  const there = placeOf(chosen);
  return candidates
    .filter((candidate) => candidate !== chosen)
    .map(({ claim }) => ({
      severity: 'error',
      object: { kind, key: claim.object.value.key },
      ...(claim.position ? { position: claim.position } : {}),
      message: `${kind} ${value.key} stands here and in ${there}; the one there counts`,
      remedy: 'Remove one of the two',
    }));
}

function placeOf({ document, claim }: Holder): string {
  return claim.position?.line ? `${document}:${claim.position.line}` : document;
}

/** True when two objects say the same. */
export function sameObject(a: ClusterObject, b: ClusterObject): boolean {
  if (a.kind === 'Secret' && b.kind === 'Secret') {
    const bare = ({ value, ...rest }: typeof a.value) => rest;
    return isDeepStrictEqual(bare(a.value), bare(b.value)) && sameSecretValues(a.value, b.value);
  }
  if (a.kind === 'BGPPeer' && b.kind === 'BGPPeer') {
    const bare = ({ password, ...rest }: typeof a.value) => rest;
    return (
      isDeepStrictEqual(bare(a.value), bare(b.value)) &&
      samePassword(a.value.password, b.value.password)
    );
  }
  return isDeepStrictEqual(a, b);
}
