import {
  decodeErrno,
  decodeMessages,
  encodeMessage,
  type NetlinkMessage,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
} from '../protocol/rtnetlink/message.ts';
import { openSocket } from './sockets.ts';

/** Questions to the kernel over one netlink socket, each with its answer. */
export interface NetlinkRequests {
  /** One question, one answer: a message, or an errno (0: done, as asked). */
  ask(type: number, flags: number, body: Uint8Array): Promise<NetlinkAnswer>;
  /** A whole table, decoded; asked again when it changed while it was read. */
  dump<T>(
    type: number,
    body: Uint8Array,
    decode: (body: Uint8Array) => T | undefined,
  ): Promise<readonly T[]>;
  /** Rejects what is still open. Idempotent. */
  close(): void;
}

export interface NetlinkAnswer {
  readonly errno: number;
  readonly message: NetlinkMessage | undefined;
}

/** Questions under way at once: their answers fit any receive buffer. */
const IN_FLIGHT_MAX = 64;
/** A table that changes all the time is taken as it is after so many tries. */
const DUMP_TRIES_MAX = 8;

interface Pending {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  /** True when the answer is complete with this message. */
  onMessage(message: NetlinkMessage): boolean;
  onFailure(error: Error): void;
}

export function openRequests(protocol: number): NetlinkRequests {
  const inFlight = new Map<number, Pending>();
  const waiting: Pending[] = [];
  let sequence = 0;
  let dumping: Promise<unknown> = Promise.resolve();

  const socket = openSocket(
    { family: 'netlink', protocol, groups: [] },
    (bytes) => {
      for (const message of decodeMessages(bytes)) receive(message);
      sendWaiting();
    },
    (error) => failAll(error),
  );

  function receive(message: NetlinkMessage): void {
    const pending = inFlight.get(message.sequence);
    if (pending?.onMessage(message)) inFlight.delete(message.sequence);
  }

  function sendWaiting(): void {
    while (inFlight.size < IN_FLIGHT_MAX) {
      const next = waiting.shift();
      if (!next) return;
      sequence = sequence >= 0xffff_ffff ? 1 : sequence + 1;
      const flags = next.flags | NLM_F_REQUEST;
      try {
        socket.send(encodeMessage({ type: next.type, flags, sequence, body: next.body }));
        inFlight.set(sequence, next);
      } catch (error) {
        next.onFailure(error as Error);
      }
    }
  }

  function failAll(error: Error): void {
    const failed = [...inFlight.values()];
    inFlight.clear();
    for (const pending of failed) pending.onFailure(error);
    sendWaiting();
  }

  function start(pending: Pending): void {
    waiting.push(pending);
    sendWaiting();
  }

  function ask(type: number, flags: number, body: Uint8Array): Promise<NetlinkAnswer> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: NetlinkMessage) => {
        if (message.type !== NLMSG_ERROR) resolve({ errno: 0, message });
        else resolve({ errno: decodeErrno(message.body), message: undefined });
        return true;
      };
      start({ type, flags, body, onMessage, onFailure: reject });
    });
  }

  function dumpOnce<T>(
    type: number,
    body: Uint8Array,
    decode: (body: Uint8Array) => T | undefined,
  ): Promise<{ readonly found: readonly T[]; readonly changed: boolean }> {
    return new Promise((resolve, reject) => {
      const found: T[] = [];
      let changed = false;
      const onMessage = (message: NetlinkMessage) => {
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) changed = true;
        if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
          const value = decode(message.body);
          if (value !== undefined) found.push(value);
          return false;
        }
        const errno = decodeErrno(message.body);
        if (errno === 0) resolve({ found, changed });
        else reject(new Error(`The kernel refuses to list what type ${type} asks for: ${errno}`));
        return true;
      };
      start({ type, flags: NLM_F_DUMP, body, onMessage, onFailure: reject });
    });
  }

  return {
    ask,
    dump(type, body, decode) {
      const run = async () => {
        for (let tries = 1; ; tries++) {
          const { found, changed } = await dumpOnce(type, body, decode);
          if (!changed || tries === DUMP_TRIES_MAX) return found;
        }
      };
      // The kernel does one dump at a time per socket.
      const result = dumping.then(run);
      dumping = result.catch(() => undefined);
      return result;
    },
    close() {
      socket.close();
      waiting.push(...inFlight.values());
      inFlight.clear();
      for (const pending of waiting.splice(0)) pending.onFailure(new Error('The socket is closed'));
    },
  };
}
