import type { BfdState } from '../../src/domain/bgp/bfd-session.ts';
import type { ControlPacket } from '../../src/protocol/bfd/control-packet.ts';
import { type SessionEvent, step } from '../../src/protocol/bfd/session.ts';
import {
  createSession,
  nextDeadlineMs,
  type SessionState,
  type SessionTimers,
} from '../../src/protocol/bfd/session-state.ts';

/** Two sessions and the path between them, on a simulated clock. */
export interface BfdPair {
  readonly ends: readonly [End, End];
  nowMs(): number;
  /** What becomes of packets from here on, by the direction they go: from end 0, from end 1. */
  readonly paths: readonly [PathQuality, PathQuality];
  tell(end: 0 | 1, event: SessionEvent): void;
  /** A session that forgot everything, with another discriminator. */
  restart(end: 0 | 1, timers: SessionTimers): void;
  run(ms: number): void;
}

export interface End {
  session: SessionState;
  readonly changes: { readonly atMs: number; readonly state: BfdState }[];
  readonly sent: { readonly atMs: number; readonly packet: ControlPacket }[];
}

export interface PathQuality {
  cut: boolean;
  /** 0 to 1. */
  loss: number;
  /** Each packet takes from 0 to so long: those close together may change places. */
  delayMs: number;
}

export function bfdPair(
  random: () => number,
  timers: readonly [SessionTimers, SessionTimers],
  passive: readonly [boolean, boolean] = [false, false],
): BfdPair {
  let now = 1000;
  let discriminators = 100;
  const queue: { readonly atMs: number; readonly to: 0 | 1; readonly packet: ControlPacket }[] = [];
  const paths: [PathQuality, PathQuality] = [perfect(), perfect()];
  const begin = (of: SessionTimers, waits: boolean) =>
    createSession({
      timers: of,
      passive: waits,
      localDiscriminator: ++discriminators,
      nowMs: now,
    });
  const end = (of: SessionTimers, waits: boolean): End => ({
    session: begin(of, waits),
    changes: [],
    sent: [],
  });
  const ends: [End, End] = [end(timers[0], passive[0]), end(timers[1], passive[1])];

  function tell(index: 0 | 1, event: SessionEvent): void {
    const one = ends[index];
    const before = one.session.state;
    const done = step(one.session, event, { nowMs: now, random: random() });
    one.session = done.session;
    if (done.session.state !== before) one.changes.push({ atMs: now, state: done.session.state });
    for (const packet of done.packets) {
      one.sent.push({ atMs: now, packet });
      carry(index, packet);
    }
  }

  function carry(from: 0 | 1, packet: ControlPacket): void {
    const { cut, loss, delayMs } = paths[from];
    if (cut || random() < loss) return;
    queue.push({ atMs: now + random() * delayMs, to: from === 0 ? 1 : 0, packet });
  }

  /** A packet that arrives at the moment of a deadline comes first, as with real sockets. */
  function next(untilMs: number): (() => void) | undefined {
    let best = -1;
    for (const [i, { atMs }] of queue.entries()) {
      if (best < 0 || atMs < (queue[best]?.atMs ?? 0)) best = i;
    }
    const deadlines = ends.map(({ session }) => Math.max(nextDeadlineMs(session), now));
    const first = (deadlines[0] ?? 0) <= (deadlines[1] ?? 0) ? 0 : 1;
    const deadline = deadlines[first] as number;
    const arrival = queue[best];
    if (arrival && arrival.atMs <= deadline) {
      if (arrival.atMs > untilMs) return undefined;
      return () => {
        queue.splice(best, 1);
        now = Math.max(now, arrival.atMs);
        tell(arrival.to, { kind: 'packet', packet: arrival.packet });
      };
    }
    if (deadline > untilMs) return undefined;
    return () => {
      now = deadline;
      tell(first, { kind: 'time' });
    };
  }

  return {
    ends,
    paths,
    nowMs: () => now,
    tell,
    restart(index, of) {
      const one = ends[index];
      if (one.session.state !== 'Down') one.changes.push({ atMs: now, state: 'Down' });
      one.session = begin(of, one.session.passive);
    },
    run(ms) {
      const untilMs = now + ms;
      for (let act = next(untilMs); act; act = next(untilMs)) act();
      now = untilMs;
    },
  };
}

export function perfect(): PathQuality {
  return { cut: false, loss: 0, delayMs: 1 };
}
