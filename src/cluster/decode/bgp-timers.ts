import type { BgpPeer } from '../../domain/bgp/bgp-peer.ts';
import { readDuration } from './duration.ts';
import { child, type Field, fail, quote } from './field.ts';

/** MetalLB leaves it to FRR, whose values these are. */
const HOLD_MS = 180_000;
const KEEPALIVE_MS = 60_000;
const CONNECT_RETRY_MS = 120_000;
/** RFC 4271 §4.2: what fits in an OPEN, and the least but 0. */
const MAX_HOLD_MS = 65_535_000;
const MIN_HOLD_MS = 3000;
const MAX_CONNECT_RETRY_MS = 65_535_000;
/** Keepalives in a hold time (RFC 4271 §4.4). */
const KEEPALIVES = 3;

type Timers = Pick<BgpPeer, 'holdTimeMs' | 'keepaliveMs' | 'connectRetryMs'>;

/** `holdTime`, `keepaliveTime`, of which each follows from the other, and `connectTime`. */
export function readTimers(spec: Field): Timers {
  return { ...readHold(spec), connectRetryMs: readConnectTime(child(spec, 'connectTime')) };
}

function readHold(spec: Field): Pick<Timers, 'holdTimeMs' | 'keepaliveMs'> {
  const holdField = child(spec, 'holdTime');
  const keepaliveField = child(spec, 'keepaliveTime');
  const hold = readDuration(holdField);
  const keepalive = readDuration(keepaliveField);
  if (hold === undefined && keepalive === undefined)
    return { holdTimeMs: HOLD_MS, keepaliveMs: KEEPALIVE_MS };
  const blamed = hold === undefined ? keepaliveField : holdField;
  const wanted = hold ?? (keepalive ?? 0) * KEEPALIVES;
  // An OPEN carries whole seconds.
  const holdTimeMs = Math.floor(wanted / 1000) * 1000;
  if ((holdTimeMs !== 0 && holdTimeMs < MIN_HOLD_MS) || holdTimeMs > MAX_HOLD_MS) {
    const range = `${MIN_HOLD_MS / 1000}s to ${MAX_HOLD_MS / 1000}s`;
    const message = `The hold time would be ${holdTimeMs / 1000}s`;
    fail(blamed, message, `Choose ${range}, or 0s for ever; keepaliveTime is a third of it`);
  }
  if (keepalive !== undefined && keepalive > wanted) {
    const message = `${quote(keepaliveField.value)} is longer than holdTime`;
    fail(keepaliveField, message, 'Leave it out; a third of holdTime is used then');
  }
  // Manifests converted from old versions say 0 and mean nothing by it.
  return { holdTimeMs, keepaliveMs: keepalive || holdTimeMs / KEEPALIVES };
}

function readConnectTime(field: Field): number {
  const ms = readDuration(field) ?? CONNECT_RETRY_MS;
  if (ms >= 1000 && ms <= MAX_CONNECT_RETRY_MS && ms % 1000 === 0) return ms;
  const remedy = `Write whole seconds from 1s to ${MAX_CONNECT_RETRY_MS / 1000}s`;
  fail(field, `${quote(field.value)} is not a time between attempts`, remedy);
  return CONNECT_RETRY_MS;
}
