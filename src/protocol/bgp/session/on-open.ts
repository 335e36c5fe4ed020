import type { OpenMessage } from '../message.ts';
import { close, type Ending, fail, OUTRIVALLED } from './ending.ts';
import { negotiate } from './negotiate.ts';
import type { Negotiated } from './negotiated.ts';
import type { SessionConfig } from './session-config.ts';
import {
  type Connection,
  type Established,
  establishedConnection,
  isOutgoing,
  type OpenSent,
} from './session-state.ts';
import { COLLISION_WINDOW_MS, LARGE_HOLD_MS } from './timing.ts';
import { arm, armJittered, disarm, patch, put, remember, type Turn } from './turn.ts';

/** What a new connection says of the one before: nothing is sent on that (RFC 4724 §4.2). */
const RESTARTED: Ending = {
  by: 'transport',
  notification: undefined,
  why: 'The peer has restarted and opened a new connection',
};

/** An OPEN where it is expected: checks it, settles a collision, and agrees by KEEPALIVE. */
export function onOpen(turn: Turn, connection: OpenSent, open: OpenMessage): void {
  const { config } = turn.context;
  patch(turn, { peer: { asn: open.asn, routerId: open.routerId } });
  const outcome = negotiate(config, open);
  if ('refusal' in outcome) {
    const { notification, why } = outcome.refusal;
    fail(turn, connection, { by: 'sent', notification, why });
    return;
  }
  const { negotiated } = outcome;
  if (!prevails(turn, connection, keepsOwn(config, negotiated))) {
    close(turn, connection, OUTRIVALLED);
    return;
  }
  const { id } = connection;
  put(turn, { ...connection, phase: 'openConfirm', negotiated });
  turn.effects.push({ kind: 'send', connection: id, message: { kind: 'keepalive' } });
  // Without a hold time too, a peer must not take for ever to agree.
  arm(turn, `hold/${id}`, negotiated.holdTimeMs || LARGE_HOLD_MS);
  if (negotiated.keepaliveMs > 0) armJittered(turn, `keepalive/${id}`, negotiated.keepaliveMs);
  else disarm(turn, `keepalive/${id}`);
}

/**
 * Of two connections, that of the speaker with the higher router ID stays; of equal ones, that of the
 * higher AS (RFC 4271 §6.8, RFC 6286 §2.3).
 */
export function keepsOwn(
  config: SessionConfig,
  { peerRouterId, peerAsn }: Pick<Negotiated, 'peerRouterId' | 'peerAsn'>,
): boolean {
  if (config.routerId !== peerRouterId) return config.routerId > peerRouterId;
  return config.localAsn > peerAsn;
}

/** Closes what must give way to this connection; false when it is this one that must. */
function prevails(turn: Turn, connection: OpenSent, own: boolean): boolean {
  const favoured = isOutgoing(connection) === own;
  const established = establishedConnection(turn.state);
  if (established !== undefined) {
    const ending = displacement(turn, connection, established, favoured);
    if (ending === undefined) return false;
    close(turn, established, ending);
    if (ending.by === 'transport') remember(turn, 'transport', ending.why);
  }
  for (const rival of turn.state.connections) {
    if (rival.id === connection.id || rival.phase === 'connecting') continue;
    if (!favoured && isDecided(rival, own)) return false;
    if (favoured) close(turn, rival, OUTRIVALLED);
  }
  return true;
}

/**
 * One side decides for both: the one whose connections are to stay closes the other's as soon as it knows
 * who the peer is. The other side waits for an OPEN on the favoured connection: that may have been
 * given up before, and this one would be closed for nothing.
 */
function isDecided(rival: Connection, own: boolean): boolean {
  return isOutgoing(rival) === own && (own || rival.phase === 'openConfirm');
}

/** How an Established connection ends because of an OPEN on this one; `undefined`: it stays. */
function displacement(
  turn: Turn,
  connection: OpenSent,
  established: Established,
  favoured: boolean,
): Ending | undefined {
  // CollisionDetectEstablishedState of RFC 4271 §8.1.1: the peer has decided, and this side learns it.
  if (favoured && isOutgoing(connection) !== isOutgoing(established)) return OUTRIVALLED;
  const ageMs = turn.context.monotonicMs - established.establishedMs;
  const { gracefulRestart } = established.negotiated;
  if (gracefulRestart === undefined || ageMs < COLLISION_WINDOW_MS) return undefined;
  return RESTARTED;
}
