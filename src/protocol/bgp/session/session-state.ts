import type { Address } from '../../../domain/address.ts';
import type { BgpSession, BgpState } from '../../../domain/bgp/bgp-session.ts';
import type { Negotiated } from './negotiated.ts';
import type { ConnectionId, OutgoingId, TimerName } from './session-event.ts';

/** Immutable; `step()` makes the next one. */
export interface SessionState {
  /** Between `start` and `stop`. */
  readonly running: boolean;
  /** That of the connection that is furthest. */
  readonly state: BgpState;
  /** Since when it is in this state, ms since 1970. */
  readonly sinceMs: number;
  /** At most one established, one other incoming, one outgoing. */
  readonly connections: readonly Connection[];
  /** Which timers run, and until when on the monotonic clock. */
  readonly timers: Readonly<Partial<Record<TimerName, number>>>;
  /** Number of the next outgoing connection. */
  readonly nextOutgoing: number;
  /** Attempts since the last Established, for their growing distance. */
  readonly attempts: number;
  /** Sessions in a row that ended by an error before they were stable, for their damping. */
  readonly errorsInRow: number;
  readonly bfd: 'unknown' | 'up' | 'down';
  /** Who the peer said it is in its last OPEN, believed or not. */
  readonly peer: { readonly asn: number; readonly routerId: number } | undefined;
  readonly lastError: BgpSession['lastError'];
  /** How often the session was Established. */
  readonly established: number;
}

/** One TCP connection, each with a state of its own (RFC 4271 §8.2.1). */
export type Connection = Attempt | OpenSent | OpenConfirm | Established;

export interface Attempt {
  readonly phase: 'connecting';
  readonly id: OutgoingId;
}

interface Open {
  readonly id: ConnectionId;
  readonly local: Address;
  readonly remote: Address;
}

export interface OpenSent extends Open {
  readonly phase: 'openSent';
}

export interface OpenConfirm extends Open {
  readonly phase: 'openConfirm';
  readonly negotiated: Negotiated;
}

export interface Established extends Open {
  readonly phase: 'established';
  readonly negotiated: Negotiated;
  /** On the monotonic clock. */
  readonly establishedMs: number;
}

/**
 * A session that nobody has started.
 *
 * @param wallMs ms since 1970
 */
export function newSession(wallMs: number): SessionState {
  return {
    running: false,
    state: 'Idle',
    sinceMs: wallMs,
    connections: [],
    timers: {},
    nextOutgoing: 1,
    attempts: 0,
    errorsInRow: 0,
    bfd: 'unknown',
    peer: undefined,
    lastError: { sent: undefined, received: undefined, transport: undefined },
    established: 0,
  };
}

export function establishedConnection(state: SessionState): Established | undefined {
  return state.connections.find((connection) => connection.phase === 'established');
}

export function isAttempt(connection: Connection): connection is Attempt {
  return connection.phase === 'connecting';
}

/** True for a connection that this side opened, or is opening. */
export function isOutgoing({ id }: Connection): boolean {
  return id.startsWith('out:');
}

/** This side has accepted the peer's OPEN. */
export function isAgreed(connection: Connection): connection is OpenConfirm | Established {
  return connection.phase === 'openConfirm' || connection.phase === 'established';
}
