import type { Clock } from '../../../domain/clock.ts';
import { type CodecContext, INITIAL_CONTEXT } from '../../../protocol/bgp/codec-context.ts';
import type { SessionConfig } from '../../../protocol/bgp/session/session-config.ts';
import type { SessionEffect } from '../../../protocol/bgp/session/session-effect.ts';
import type {
  ConnectionId,
  SessionEvent,
  TimerName,
} from '../../../protocol/bgp/session/session-event.ts';
import {
  isAgreed,
  newSession,
  type SessionState,
} from '../../../protocol/bgp/session/session-state.ts';
import { step } from '../../../protocol/bgp/session/step.ts';
import type {
  ConnectHandlers,
  IncomingTcp,
  TcpConnection,
  TcpEnds,
} from '../../../system/tcp/tcp.ts';
import type { MessageCounters } from '../connection/message-counters.ts';
import { createWire, type Wire } from '../connection/wire.ts';

/** Runs the state machine of one session: its connections, its timers, and its events in order. */
export interface SessionDriver {
  state(): SessionState;
  dispatch(event: SessionEvent): void;
  /** The peer has connected. */
  accept(incoming: IncomingTcp): void;
  wire(id: ConnectionId): Wire | undefined;
  /** Resolves when the connections that are there now are gone. */
  closed(): Promise<void>;
}

/** What a session does besides connecting and keeping alive. */
export type SessionNews = Extract<
  SessionEffect,
  {
    readonly kind:
      | 'established'
      | 'lost'
      | 'update'
      | 'refreshRequested'
      | 'peerRefresh'
      | 'stateChanged';
  }
>;

export interface SessionDriverOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly counters: MessageCounters;
  config(): SessionConfig;
  connect(handlers: ConnectHandlers): TcpConnection;
  describe(error: NodeJS.ErrnoException): string;
  onNews(news: SessionNews): void;
  onDrain(): void;
}

export function createSessionDriver(options: SessionDriverOptions): SessionDriver {
  const { clock, random } = options;
  const wires = new Map<ConnectionId, Wire>();
  const closing = new Set<Promise<void>>();
  const timers = new Map<TimerName, () => void>();
  const events: SessionEvent[] = [];
  let machine = newSession(clock.wallMs());
  let busy = false;
  let incomingCount = 0;

  /** What an effect brings about at once waits until the effects before it are through. */
  function dispatch(event: SessionEvent) {
    events.push(event);
    if (busy) return;
    busy = true;
    try {
      for (let next = events.shift(); next; next = events.shift()) advance(next);
    } finally {
      busy = false;
    }
  }

  function advance(event: SessionEvent) {
    const { state, effects } = step(machine, event, {
      config: options.config(),
      monotonicMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      random: random(),
    });
    machine = state;
    for (const effect of effects) perform(effect);
  }

  function perform(effect: SessionEffect) {
    switch (effect.kind) {
      case 'connect':
        return open(effect.connection, undefined, options.connect);
      case 'send':
        return wires.get(effect.connection)?.send(effect.message);
      case 'close':
        wires.get(effect.connection)?.close(effect.notification);
        wires.delete(effect.connection);
        return;
      case 'setTimer':
        timers.get(effect.timer)?.();
        timers.set(
          effect.timer,
          clock.after(effect.afterMs, () => fire(effect.timer)),
        );
        return;
      case 'clearTimer':
        timers.get(effect.timer)?.();
        timers.delete(effect.timer);
        return;
      default:
        options.onNews(effect);
    }
  }

  function fire(timer: TimerName) {
    timers.delete(timer);
    dispatch({ kind: 'timer', timer });
  }

  function open(
    id: ConnectionId,
    ends: TcpEnds | undefined,
    begin: (handlers: ConnectHandlers) => TcpConnection,
  ) {
    const { counters, describe, onDrain } = options;
    const context = () => contextOf(machine, id);
    const wire = createWire({
      ...{ id, ends, counters, context, dispatch, describe, onDrain },
      open: begin,
    });
    wires.set(id, wire);
    closing.add(wire.closed);
    void wire.closed.then(() => closing.delete(wire.closed));
  }

  return {
    state: () => machine,
    dispatch,
    accept(incoming) {
      incomingCount += 1;
      const id = `in:${incomingCount}` as const;
      open(id, incoming, (handlers) => incoming.accept(handlers));
      dispatch({
        kind: 'connected',
        connection: id,
        local: incoming.local,
        remote: incoming.remote,
      });
    },
    wire: (id) => wires.get(id),
    async closed() {
      await Promise.all(closing);
    },
  };
}

/** Until the OPENs were exchanged, messages have their first form. */
function contextOf({ connections }: SessionState, id: ConnectionId): CodecContext {
  const connection = connections.find((one) => one.id === id);
  return connection && isAgreed(connection) ? connection.negotiated.codec : INITIAL_CONTEXT;
}
