import type { Address } from '../../domain/address.ts';
import type { BfdSession } from '../../domain/bgp/bfd-session.ts';
import { DIAGNOSTIC, describeDiagnostic } from '../../protocol/bfd/diagnostic.ts';
import {
  detectionTimeMs,
  receiveIntervalUs,
  type SessionState,
  transmitIntervalUs,
} from '../../protocol/bfd/session-state.ts';
import type { PathOrder, SessionOrder } from './order.ts';

/** What a session has seen, beside its state. */
export interface SessionCounts {
  sent: number;
  received: number;
  dropped: number;
  ups: number;
  downs: number;
}

/** A session as people see it. */
export function viewOfSession(
  path: PathOrder,
  session: SessionState,
  more: {
    readonly counts: SessionCounts;
    readonly sinceMs: number;
    /** As packets of the peer name this box. */
    readonly localAddress: Address | undefined;
    readonly obstacle: string;
  },
): BfdSession {
  const { counts, sinceMs, obstacle } = more;
  return {
    state: session.state,
    sinceMs,
    remoteState: session.remoteState,
    remoteAddress: path.remote,
    localAddress: path.local ?? more.localAddress,
    interface: path.interface ?? '',
    multihop: path.multihop,
    localDiscriminator: session.localDiscriminator,
    remoteDiscriminator: session.remoteDiscriminator,
    localDiagnostic: describeDiagnostic(session.diagnostic),
    remoteDiagnostic: describeDiagnostic(session.remoteDiagnostic),
    transmitIntervalMs: transmitIntervalUs(session) / 1000,
    receiveIntervalMs: receiveIntervalUs(session) / 1000,
    detectionTimeMs: detectionTimeMs(session),
    packetsSent: counts.sent,
    packetsReceived: counts.received,
    packetsDropped: counts.dropped,
    upEvents: counts.ups,
    downEvents: counts.downs,
    obstacle,
  };
}

/** One that does not run: not yet, or because of `obstacle`. Its state is `AdminDown`: nothing failed. */
export function viewOfNone(
  { path, timers }: SessionOrder,
  sinceMs: number,
  obstacle: string,
): BfdSession {
  return {
    state: 'AdminDown',
    sinceMs,
    remoteState: 'Down',
    remoteAddress: path.remote,
    localAddress: path.local,
    interface: path.interface ?? '',
    multihop: path.multihop,
    localDiscriminator: 0,
    remoteDiscriminator: 0,
    localDiagnostic: describeDiagnostic(DIAGNOSTIC.none),
    remoteDiagnostic: describeDiagnostic(DIAGNOSTIC.none),
    transmitIntervalMs: timers.transmitUs / 1000,
    receiveIntervalMs: timers.receiveUs / 1000,
    detectionTimeMs: 0,
    packetsSent: 0,
    packetsReceived: 0,
    packetsDropped: 0,
    upEvents: 0,
    downEvents: 0,
    obstacle,
  };
}
