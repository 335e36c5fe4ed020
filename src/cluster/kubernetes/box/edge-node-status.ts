import { formatAddress } from '../../../domain/address.ts';
import type { BoxInterface, BoxState, BoxVip } from '../../../domain/box.ts';
import { isObstacleOfBox } from '../../../plan/announcing/reasons.ts';
import { HEARTBEAT_LOST } from '../../decode/edge-node.ts';
import { isObject } from '../../decode/field.ts';
import { apiTime } from '../status/status-patch.ts';
import { heartbeatLeaseName } from './lease-fields.ts';

/** `status` of an EdgeNode, field by field as the API has it. */
export type EdgeNodeStatus = Readonly<Record<string, unknown>>;

/** What the EdgeNode itself says, as read last. */
export interface EdgeNodeFacts {
  readonly generation: number;
  readonly drain: boolean;
  readonly status: EdgeNodeStatus;
}

/** Limits of the definition. */
export const WITHHELD_MAX = 256;
const MAX_INTERFACES = 64;
const MAX_ADDRESSES = 256;

/** These are many, and nobody asks a box for them: who owns an address, and what is going away. */
const NOT_TOLD: ReadonlySet<string> = new Set(['notOwner', 'serviceDeleted', '']);

/** The status that says `state`. Conditions of other writers, and times of those unchanged, are kept. */
export function edgeNodeStatus(
  state: BoxState,
  facts: EdgeNodeFacts,
  nowMs: number,
): EdgeNodeStatus {
  const { interfaces, vips, readiness } = state;
  const shown = interfaces.slice(0, MAX_INTERFACES);
  const { generation, drain } = facts;
  const ready = condition(
    'Ready',
    readiness.ready,
    readiness.ready ? 'Ready' : 'NotReady',
    readiness.ready ? 'All roles of the box are at work' : readiness.reason,
  );
  return {
    observedGeneration: generation,
    heartbeatLease: heartbeatLeaseName(state.name),
    version: state.version,
    roles: [...state.roles].sort(),
    addresses: shown.flatMap(addressTexts).slice(0, MAX_ADDRESSES),
    interfaces: shown.map((each) => ({
      name: each.name,
      mac: each.mac,
      addresses: addressTexts(each),
    })),
    capacity: { ...state.capacity },
    vips: {
      announced: count(vips, ({ announced }) => announced),
      serving: count(vips, ({ servable }) => servable),
      total: vips.length,
    },
    withheld: withheldOf(vips),
    conditions: settle([ready, drainCondition(drain, vips)], facts, nowMs),
  };
}

/** The status with nothing changed but that the box has stopped. */
export function stoppedStatus(facts: EdgeNodeFacts, nowMs: number): EdgeNodeStatus {
  const stopped = condition('Ready', false, 'Stopped', 'The speaker of the box was stopped');
  const before = conditionsOf(facts.status).filter(({ type }) => type === 'Draining');
  return { ...facts.status, conditions: settle([stopped, ...before], facts, nowMs) };
}

/**
 * Conditions of a box whose heartbeats stay away, with Ready no longer True; `undefined` when it is not
 * True. `lastHeartbeat` is a time as the API writes it.
 */
export function lostConditions(
  status: EdgeNodeStatus,
  lastHeartbeat: string | undefined,
  nowMs: number,
): readonly ApiCondition[] | undefined {
  const conditions = conditionsOf(status);
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.status !== 'True') return undefined;
  const since =
    lastHeartbeat === undefined ? 'No heartbeat' : `No heartbeat since ${lastHeartbeat}`;
  const lost: ApiCondition = {
    ...ready,
    status: 'Unknown',
    reason: HEARTBEAT_LOST,
    message: `${since}. ${REMEDY}`,
    lastTransitionTime: apiTime(nowMs),
  };
  return conditions.map((one) => (one === ready ? lost : one));
}

const REMEDY =
  'See whether the box runs and reaches the API server; if it is gone for good, delete its EdgeNode';

/** Whether the controller has said so, as `lostConditions`. */
export function saysHeartbeatLost(status: EdgeNodeStatus): boolean {
  return conditionsOf(status).some(
    ({ type, status, reason }) =>
      type === 'Ready' && status === 'Unknown' && reason === HEARTBEAT_LOST,
  );
}

/** A merge patch of the fields that differ; `undefined` when none does. */
export function statusChanges(
  before: EdgeNodeStatus,
  now: EdgeNodeStatus,
): EdgeNodeStatus | undefined {
  const fields = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changed = [...fields].filter((name) => canonical(before[name]) !== canonical(now[name]));
  if (changed.length === 0) return undefined;
  return Object.fromEntries(changed.map((name) => [name, now[name] ?? null]));
}

/** meta/v1 Condition. */
export interface ApiCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime?: string;
}

function condition(type: string, holds: boolean, reason: string, message: string): ApiCondition {
  return { type, status: holds ? 'True' : 'False', reason, message };
}

function drainCondition(drain: boolean, vips: readonly BoxVip[]): ApiCondition {
  if (!drain) return condition('Draining', false, 'NotAsked', 'spec.drain is false');
  const left = count(vips, ({ announced }) => announced);
  return left > 0
    ? condition('Draining', true, 'Draining', 'Addresses are being handed to other boxes')
    : condition('Draining', true, 'Drained', 'The box announces no address');
}

function settle(wanted: readonly ApiCondition[], facts: EdgeNodeFacts, nowMs: number) {
  const before = conditionsOf(facts.status);
  const own = wanted.map(({ type, status, reason, message }) => {
    const known = before.find((one) => one.type === type);
    const since = known?.status === status ? known.lastTransitionTime : undefined;
    return {
      type,
      status,
      observedGeneration: facts.generation,
      lastTransitionTime: since ?? apiTime(nowMs),
      reason,
      message,
    };
  });
  const foreign = before.filter(({ type }) => !own.some((one) => one.type === type));
  return [...own, ...foreign];
}

function conditionsOf({ conditions }: EdgeNodeStatus): readonly ApiCondition[] {
  return Array.isArray(conditions) ? conditions.filter(isObject).map((one) => one as never) : [];
}

/**
 * Those come first that keep others from taking this box for able, and of these those that are not
 * likely to be the same everywhere.
 */
function withheldOf(vips: readonly BoxVip[]) {
  const rank = ({ reason }: BoxVip) =>
    isObstacleOfBox(reason) ? Number(reason === 'noEndpoints') : 2;
  return vips
    .filter(({ announced, reason }) => !announced && !NOT_TOLD.has(reason))
    .map((vip) => ({ vip, text: formatAddress(vip.address) }))
    .sort((a, b) => rank(a.vip) - rank(b.vip) || (a.text < b.text ? -1 : 1))
    .flatMap(({ vip: { services, reason }, text }) =>
      services.map((service) => ({ address: text, service, reason })),
    )
    .slice(0, WITHHELD_MAX);
}

function addressTexts({ addresses }: BoxInterface): string[] {
  return addresses.map(formatAddress);
}

function count(vips: readonly BoxVip[], holds: (vip: BoxVip) => boolean): number {
  return vips.reduce((sum, vip) => sum + Number(holds(vip)), 0);
}

/** JSON with the names of objects in order, as the API server may return them in another. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) =>
      isObject(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ) ?? ''
  );
}
