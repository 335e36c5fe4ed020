import { getSystemErrorName } from 'node:util';
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
import { type NetlinkSocket, openSocket } from './sockets.ts';

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

type Decode<T> = (body: Uint8Array) => T | undefined;

/** Questions to the kernel over one netlink socket, each with its answer. */
export class NetlinkRequests {
  readonly #socket: NetlinkSocket;
  readonly #inFlight = new Map<number, Pending>();
  readonly #waiting: Pending[] = [];
  #sequence = 0;
  #dumping: Promise<unknown> = Promise.resolve();

  /** `keepAlive`: the process goes on until `close`, also when it waits for nothing but an answer. */
  constructor(protocol: number, keepAlive = false) {
    this.#socket = openSocket(
      { family: 'netlink', protocol, groups: [], keepAlive },
      (bytes) => this.#receive(bytes),
      (error) => this.#failAll(error),
    );
  }

  /** One question, one answer: a message, or an errno (0: done, as asked). */
  ask(type: number, flags: number, body: Uint8Array): Promise<NetlinkAnswer> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: NetlinkMessage) => {
        if (message.type !== NLMSG_ERROR) resolve({ errno: 0, message });
        else resolve({ errno: decodeErrno(message.body), message: undefined });
        return true;
      };
      this.#start({ type, flags, body, onMessage, onFailure: reject });
    });
  }

  /**
   * A whole table, decoded; asked again when it changed while it was read. Rejects with `code`.
   */
  dump<T>(type: number, body: Uint8Array, decode: Decode<T>): Promise<readonly T[]> {
    const run = async () => {
      for (let tries = 1; ; tries++) {
        const { found, changed } = await this.#dumpOnce(type, body, decode);
        if (!changed || tries === DUMP_TRIES_MAX) return found;
      }
    };
    // The kernel does one dump at a time per socket.
    const result = this.#dumping.then(run);
    this.#dumping = result.catch(() => undefined);
    return result;
  }

  /** Rejects what is still open. Idempotent. */
  close(): void {
    this.#socket.close();
    this.#waiting.push(...this.#inFlight.values());
    this.#inFlight.clear();
    const closed = new Error('The netlink socket is closed');
    for (const pending of this.#waiting.splice(0)) pending.onFailure(closed);
  }

  #dumpOnce<T>(type: number, body: Uint8Array, decode: Decode<T>) {
    const found: T[] = [];
    let changed = false;
    return new Promise<{ readonly found: readonly T[]; readonly changed: boolean }>(
      (resolve, reject) => {
        const onMessage = (message: NetlinkMessage) => {
          if ((message.flags & NLM_F_DUMP_INTR) !== 0) changed = true;
          if (message.type !== NLMSG_DONE && message.type !== NLMSG_ERROR) {
            const value = decode(message.body);
            if (value !== undefined) found.push(value);
            return false;
          }
          const errno = decodeErrno(message.body);
          if (errno === 0) resolve({ found, changed });
          else reject(refusal(type, errno));
          return true;
        };
        this.#start({ type, flags: NLM_F_DUMP, body, onMessage, onFailure: reject });
      },
    );
  }

  #start(pending: Pending): void {
    this.#waiting.push(pending);
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    while (this.#inFlight.size < IN_FLIGHT_MAX) {
      const next = this.#waiting.shift();
      if (!next) return;
      this.#sequence = this.#sequence >= 0xffff_ffff ? 1 : this.#sequence + 1;
      const { type, body } = next;
      const message = { type, flags: next.flags | NLM_F_REQUEST, sequence: this.#sequence, body };
      try {
        this.#socket.send(encodeMessage(message));
        this.#inFlight.set(this.#sequence, next);
      } catch (error) {
        next.onFailure(error as Error);
      }
    }
  }

  #receive(bytes: Uint8Array): void {
    for (const message of decodeMessages(bytes)) {
      const pending = this.#inFlight.get(message.sequence);
      if (pending?.onMessage(message)) this.#inFlight.delete(message.sequence);
    }
    this.#sendWaiting();
  }

  /** Answers were lost, and nobody knows whose. */
  #failAll(error: Error): void {
    const failed = [...this.#inFlight.values()];
    this.#inFlight.clear();
    for (const pending of failed) pending.onFailure(error);
    this.#sendWaiting();
  }
}

function refusal(type: number, errno: number): Error {
  const code = getSystemErrorName(-errno);
  return Object.assign(new Error(`The kernel refuses the netlink dump ${type}: ${code}`), { code });
}
