import { type Address, formatAddress } from '../../../domain/address.ts';
import type { Condition, PortError, ServiceStatus } from '../../../domain/service.ts';
import { isOurCondition } from '../../../domain/service-conditions.ts';
import { addressesOf, decodeCondition } from './api-status.ts';
import {
  type ApiCondition,
  type ApiIngress,
  CLEANUP_FINALIZER,
  FORMER_POOL_ANNOTATION,
  POOL_ANNOTATION,
  type StatusBase,
} from './status-base.ts';

/**
 * A JSON merge patch (RFC 7386) of `services/status`. One request may change the status, annotations
 * and finalizers, so that an address and its guard come and go together, and the right to patch
 * `services/status` is all that is needed. A merge patch replaces lists as a whole: uid and
 * resourceVersion make it fail (409) where somebody else has changed them meanwhile.
 */
export interface StatusPatch {
  readonly metadata: {
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string | null>>;
    readonly finalizers?: readonly string[];
  };
  readonly status?: {
    readonly loadBalancer?: { readonly ingress: readonly ApiIngress[] } | null;
    readonly conditions?: readonly ApiCondition[];
  };
}

/** Limits of meta/v1 Condition. */
const MAX_MESSAGE = 32_768;

/**
 * What makes a Service say `wanted`; `undefined` when it does already. Without `wanted` it is given
 * back: no address, no pool, none of our conditions, nothing that keeps it from being deleted.
 */
export function statusPatch(
  base: StatusBase,
  wanted: ServiceStatus | undefined,
): StatusPatch | undefined {
  const annotations = patchAnnotations(base, wanted?.pool ?? '');
  const finalizers = patchFinalizers(base, wanted?.guarded ?? false);
  const ingress = patchIngress(base, wanted?.addresses ?? [], wanted?.ports ?? []);
  const conditions = patchConditions(base, wanted?.conditions ?? []);
  if (!annotations && !finalizers && !ingress && !conditions) return undefined;
  const { uid, resourceVersion } = base;
  return {
    metadata: {
      uid,
      resourceVersion,
      ...(annotations && { annotations }),
      ...(finalizers && { finalizers }),
    },
    ...((ingress || conditions) && {
      status: {
        ...(ingress && { loadBalancer: ingress.length > 0 ? { ingress } : null }),
        ...(conditions && { conditions }),
      },
    }),
  };
}

function patchAnnotations({ pool, formerPool }: StatusBase, wanted: string) {
  if ((pool ?? formerPool ?? '') === wanted) return undefined;
  return {
    [POOL_ANNOTATION]: wanted === '' ? null : wanted,
    ...(formerPool !== undefined && { [FORMER_POOL_ANNOTATION]: null }),
  };
}

function patchFinalizers({ finalizers, deleting }: StatusBase, guarded: boolean) {
  if (finalizers.includes(CLEANUP_FINALIZER) === guarded) return undefined;
  if (!guarded) return finalizers.filter((name) => name !== CLEANUP_FINALIZER);
  // The API server refuses new ones once an object is being deleted.
  return deleting ? undefined : [...finalizers, CLEANUP_FINALIZER];
}

function patchIngress(
  base: StatusBase,
  addresses: readonly Address[],
  errors: readonly PortError[],
): readonly ApiIngress[] | undefined {
  const ports = errors.length > 0 ? portsWithErrors(base, errors) : undefined;
  const wanted = addresses.map(
    (address): ApiIngress => ({
      ip: formatAddress(address),
      ipMode: 'VIP',
      ...(ports && { ports }),
    }),
  );
  return sameIngress(base, addresses, wanted) ? undefined : wanted;
}

/** KEP-1435: where some port is named, all are. */
function portsWithErrors({ ports }: StatusBase, errors: readonly PortError[]) {
  return ports.map(({ port, protocol }) => {
    const found = errors.find((one) => one.port === port && one.protocol === protocol);
    return { port, protocol, ...(found && { error: found.error }) };
  });
}

/** Addresses are compared as such, since they may be written in several ways. */
function sameIngress(
  base: StatusBase,
  addresses: readonly Address[],
  wanted: readonly ApiIngress[],
): boolean {
  const { ingress } = base;
  const held = addressesOf(base);
  if (ingress.length !== wanted.length || held.length !== addresses.length) return false;
  return ingress.every(
    ({ hostname, ipMode = 'VIP', ports = [] }, index) =>
      !hostname &&
      ipMode === 'VIP' &&
      held[index] === addresses[index] &&
      portsText(ports) === portsText(wanted[index]?.ports ?? []),
  );
}

function portsText(ports: NonNullable<ApiIngress['ports']>): string {
  return ports
    .map(({ port, protocol, error }) => `${port}/${protocol} ${error ?? ''}`)
    .sort()
    .join();
}

/** Ours as wanted, each in its old place; others' untouched, whatever `wanted` knew of them. */
function patchConditions(base: StatusBase, wanted: readonly Condition[]) {
  const ours = new Map(
    wanted
      .filter(({ type }) => isOurCondition(type))
      .map((condition) => [condition.type, condition]),
  );
  const next: ApiCondition[] = [];
  for (const condition of base.conditions) {
    const mine = ours.get(condition.type);
    ours.delete(condition.type);
    if (mine) next.push(sameCondition(condition, mine) ? condition : encodeCondition(mine));
    else if (!isOurCondition(condition.type)) next.push(condition);
  }
  next.push(...[...ours.values()].map(encodeCondition));
  const { conditions } = base;
  const same = next.length === conditions.length && next.every((one, at) => one === conditions[at]);
  return same ? undefined : next;
}

/** Times of the API have seconds. */
function sameCondition(condition: ApiCondition, wanted: Condition): boolean {
  const held = decodeCondition(condition);
  return (
    held.status === wanted.status &&
    held.reason === wanted.reason &&
    held.message === wanted.message.slice(0, MAX_MESSAGE) &&
    Math.floor(held.sinceMs / 1000) === Math.floor(wanted.sinceMs / 1000)
  );
}

function encodeCondition({ type, status, reason, message, sinceMs }: Condition): ApiCondition {
  const lastTransitionTime = apiTime(sinceMs);
  return { type, status, reason, message: message.slice(0, MAX_MESSAGE), lastTransitionTime };
}

/** meta/v1 Time: RFC 3339 in whole seconds. */
export function apiTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
