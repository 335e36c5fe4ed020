import { ipv4 } from '../../../../src/domain/address.ts';
import { type CodecContext, INITIAL_CONTEXT } from '../../../../src/protocol/bgp/codec-context.ts';
import { decodeMessage } from '../../../../src/protocol/bgp/decode-message.ts';
import { encodeMessage } from '../../../../src/protocol/bgp/encode-message.ts';
import type { BgpMessage } from '../../../../src/protocol/bgp/message.ts';
import type { SessionConfig } from '../../../../src/protocol/bgp/session/session-config.ts';
import type { SessionEffect } from '../../../../src/protocol/bgp/session/session-effect.ts';
import type {
  ConnectionId,
  OutgoingId,
  SessionEvent,
  TimerName,
} from '../../../../src/protocol/bgp/session/session-event.ts';
import {
  establishedConnection,
  isAgreed,
  newSession,
  type SessionState,
} from '../../../../src/protocol/bgp/session/session-state.ts';
import { step } from '../../../../src/protocol/bgp/session/step.ts';
import { type SimulatedTime, simulateTime } from './simulated-time.ts';

export interface SpeakerOptions {
  readonly config: SessionConfig;
  /** Whether the peer can connect to it. */
  readonly listens: boolean;
}

export interface NetworkOptions {
  readonly seed: number;
  /** Two and two are peers: the first and the second, the third and the fourth… */
  readonly speakers: readonly SpeakerOptions[];
  /** The longest that anything takes on its way, or to be noticed. */
  readonly delayMs: number;
}

/** One side of a session. */
export interface Speaker {
  readonly config: SessionConfig;
  state(): SessionState;
  dispatch(event: SessionEvent): void;
  /** Gone without a word, with all that it knew. */
  crash(): void;
  /** Up again, and started. */
  boot(): void;
  /** How often it wanted this done. */
  count(kind: SessionEffect['kind']): number;
}

/**
 * Speakers with the real machine and codec, and the TCP between them: in order within a direction of a
 * connection and otherwise as late as it likes, and silent about a peer that is gone until something is
 * sent to it.
 */
export interface Network extends Pick<SimulatedTime, 'run' | 'after' | 'random' | 'nowMs'> {
  readonly speakers: readonly Speaker[];
  /** Nothing gets through from now on (true), or what has waited does (false). */
  cut(isCut: boolean): void;
  /** Connections of this speaker break; `noticed` by it, or only by the peer when it next sends. */
  breakConnections(speaker: number, noticed: boolean): void;
  /** The connection that this speaker is Established on, as a name that both sides share. */
  established(speaker: number): number | undefined;
  /** Such names of all its connections. */
  open(speaker: number): number[];
}

interface Pipe {
  readonly number: number;
  /** Of who opened it, then of who accepted it. */
  readonly ends: [End, End | undefined];
  /** When the last thing to this end arrives. */
  readonly lastMs: [number, number];
}

interface End {
  readonly owner: Node;
  readonly id: ConnectionId;
  readonly pipe: Pipe;
  readonly side: 0 | 1;
  /** This side's operating system still knows of it. */
  open: boolean;
}

interface Node {
  readonly options: SpeakerOptions;
  readonly peer: () => Node;
  readonly counts: Map<SessionEffect['kind'], number>;
  readonly timers: Map<TimerName, symbol>;
  readonly ends: Map<ConnectionId, End>;
  state: SessionState;
  isUp: boolean;
  incoming: number;
}

const SYN_RETRY_MS = 1000;
const WALL_MS = 1_700_000_000_000;
const HERE = ipv4(0x0a000001);
const THERE = ipv4(0x0a000002);

export function simulateNetwork({ seed, speakers, delayMs }: NetworkOptions): Network {
  const time = simulateTime(seed);
  const nodes: Node[] = speakers.map((options, i) => newNode(options, () => nodes[i ^ 1] as Node));
  let isCut = false;
  let waiting: (() => void)[] = [];
  let pipes = 0;

  const delay = () => time.random() ** 3 * delayMs;

  function whenThrough(task: () => void): void {
    if (isCut) waiting.push(task);
    else task();
  }

  /** Brings something to an end, after all that is on its way to it. */
  function carry({ pipe, side }: Pick<End, 'pipe' | 'side'>, arrive: () => void): void {
    whenThrough(() => {
      pipe.lastMs[side] = Math.max(pipe.lastMs[side], time.nowMs() + delay());
      time.after(pipe.lastMs[side] - time.nowMs(), () => whenThrough(arrive));
    });
  }

  function dispatch(node: Node, event: SessionEvent): void {
    if (!node.isUp) return;
    const { state, effects } = step(node.state, event, {
      config: node.options.config,
      monotonicMs: time.nowMs(),
      wallMs: WALL_MS + time.nowMs(),
      random: time.random(),
    });
    node.state = state;
    for (const effect of effects) {
      node.counts.set(effect.kind, (node.counts.get(effect.kind) ?? 0) + 1);
      perform(node, effect);
    }
  }

  function perform(node: Node, effect: SessionEffect): void {
    if (effect.kind === 'connect') connect(node, effect.connection);
    if (effect.kind === 'send') send(node.ends.get(effect.connection), effect.message);
    if (effect.kind === 'clearTimer') node.timers.delete(effect.timer);
    if (effect.kind === 'setTimer') setTimer(node, effect.timer, effect.afterMs);
    if (effect.kind !== 'close') return;
    const end = node.ends.get(effect.connection);
    if (effect.notification) send(end, { kind: 'notification', ...effect.notification });
    finish(end);
  }

  /** Late at times, as timers are; and one that was cleared may come nevertheless. */
  function setTimer(node: Node, timer: TimerName, afterMs: number): void {
    const token = Symbol();
    const isStubborn = time.random() < 0.02;
    node.timers.set(timer, token);
    time.after(afterMs + delay() / 10, () => {
      if (isStubborn || node.timers.get(timer) === token) dispatch(node, { kind: 'timer', timer });
    });
  }

  function connect(node: Node, id: OutgoingId): void {
    const ends: [End, undefined] = [undefined as unknown as End, undefined];
    const pipe: Pipe = { number: ++pipes, ends, lastMs: [0, 0] };
    const end: End = { owner: node, id, pipe, side: 0, open: true };
    ends[0] = end;
    node.ends.set(id, end);
    knock(end);
  }

  function knock(end: End): void {
    time.after(delay(), () => {
      if (!end.open) return;
      if (isCut || !end.owner.peer().isUp) time.after(SYN_RETRY_MS, () => knock(end));
      else if (end.owner.peer().options.listens) accept(end);
      else refuse(end);
    });
  }

  function refuse(end: End): void {
    carry(end, () => {
      if (!end.open) return;
      end.open = false;
      dispatch(end.owner, {
        kind: 'connectFailed',
        connection: end.id as OutgoingId,
        reason: 'refused',
      });
    });
  }

  function accept(end: End): void {
    const { pipe } = end;
    const owner = end.owner.peer();
    const id = `in:${++owner.incoming}` as const;
    const other: End = { owner, id, pipe, side: 1, open: true };
    pipe.ends[1] = other;
    owner.ends.set(id, other);
    for (const one of [end, other]) carry(one, () => tell(one));
  }

  function tell(end: End): void {
    const { open, owner, id } = end;
    if (open) dispatch(owner, { kind: 'connected', connection: id, local: HERE, remote: THERE });
  }

  function send(end: End | undefined, message: BgpMessage): void {
    if (!end?.open) return;
    const bytes = encodeMessage(message, contextOf(end));
    toOther(end, (other) => {
      const read = decodeMessage(bytes, contextOf(other));
      const connection = other.id;
      if (read.error !== undefined)
        dispatch(other.owner, { kind: 'fault', connection, notification: read.error });
      else dispatch(other.owner, { kind: 'message', connection, message: read.value });
    });
  }

  /** Who sends to an end that is gone is told so, in its time. */
  function toOther(end: End, arrive: (other: End) => void): void {
    const side = end.side === 0 ? 1 : 0;
    carry({ pipe: end.pipe, side }, () => {
      const other = end.pipe.ends[side];
      if (other?.open) arrive(other);
      else if (!end.owner.peer().isUp) return;
      else carry(end, () => hangUp(end, 'reset'));
    });
  }

  function hangUp(end: End, reason: string): void {
    if (!end.open) return;
    end.open = false;
    dispatch(end.owner, { kind: 'closed', connection: end.id, reason });
  }

  function finish(end: End | undefined): void {
    if (!end?.open) return;
    end.open = false;
    toOther(end, (other) => hangUp(other, ''));
  }

  function boot(node: Node): void {
    if (node.isUp) return;
    node.isUp = true;
    node.state = newSession(WALL_MS + time.nowMs());
    dispatch(node, { kind: 'start' });
  }

  return {
    ...time,
    speakers: nodes.map((node) => ({
      config: node.options.config,
      state: () => node.state,
      dispatch: (event) => dispatch(node, event),
      crash: () => fell(node),
      boot: () => boot(node),
      count: (kind) => node.counts.get(kind) ?? 0,
    })),
    cut(now) {
      isCut = now;
      if (now) return;
      const through = waiting;
      waiting = [];
      for (const task of through) task();
    },
    breakConnections(speaker, noticed) {
      for (const end of (nodes[speaker] as Node).ends.values()) {
        if (noticed) hangUp(end, 'reset');
        else end.open = false;
      }
    },
    established(speaker) {
      const node = nodes[speaker] as Node;
      const connection = establishedConnection(node.state);
      return connection && node.ends.get(connection.id)?.pipe.number;
    },
    open(speaker) {
      const node = nodes[speaker] as Node;
      return node.state.connections.map(({ id }) => node.ends.get(id)?.pipe.number ?? 0);
    },
  };
}

function newNode(options: SpeakerOptions, peer: () => Node): Node {
  return {
    options,
    peer,
    counts: new Map(),
    timers: new Map(),
    ends: new Map(),
    state: newSession(WALL_MS),
    isUp: false,
    incoming: 0,
  };
}

/** Its connections are gone with it, and nobody is told. */
function fell(node: Node): void {
  node.isUp = false;
  node.timers.clear();
  for (const end of node.ends.values()) end.open = false;
  node.ends.clear();
}

function contextOf({ owner, id }: End): CodecContext {
  const connection = owner.state.connections.find((one) => one.id === id);
  return connection && isAgreed(connection) ? connection.negotiated.codec : INITIAL_CONTEXT;
}
