import { randomBytes } from 'node:crypto';
import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Log } from '../../domain/log.ts';
import { ANSWER_TYPES, decodeEchoAnswer, encodeEchoRequest } from '../../protocol/icmp-echo.ts';
import { type IcmpSocket, openIcmpSocket } from '../../system/icmp-socket.ts';
import { type Outcome, outcomeOfError, PASS, type Probe } from './probe.ts';

export interface IcmpProber {
  readonly probe: Probe;
  close(): void;
}

interface Pending {
  readonly address: Address;
  readonly done: (outcome: Outcome) => void;
}

/** Bytes of the request's data: random for this process, so that no other's ping is mistaken for ours. */
const COOKIE_SIZE = 8;

/**
 * Echo requests over one raw socket a family, opened when first needed. Identifier and sequence
 * together number the requests, 2^32 of them before a number comes again.
 */
export function createIcmpProber(options: {
  readonly clock: Clock;
  readonly log: Log;
}): IcmpProber {
  const sockets = new Map<Family, IcmpSocket>();
  const pending = new Map<number, Pending>();
  const cookie = randomBytes(COOKIE_SIZE);
  let last = randomBytes(4).readUInt32BE();

  function socketFor(family: Family): IcmpSocket {
    const open = sockets.get(family);
    if (open) return open;
    const socket = openIcmpSocket({
      ...options,
      family,
      types: ANSWER_TYPES[family],
      onMessage: (message, from) => receive(family, message, from),
      onLost: (error) => {
        for (const [token, { address }] of pending)
          if (familyOf(address) === family) settle(token, outcomeOfError(error));
      },
    });
    sockets.set(family, socket);
    return socket;
  }

  function receive(family: Family, message: Uint8Array, from: Address) {
    const answer = decodeEchoAnswer(family, message);
    if (!answer) return;
    const token = ((answer.identifier << 16) | answer.sequence) >>> 0;
    const waiting = pending.get(token);
    if (answer.kind === 'reply') {
      if (waiting?.address !== from || cookie.compare(answer.data) !== 0) return;
      settle(token, PASS);
    } else if (waiting?.address === answer.destination) {
      settle(token, { pass: false, reason: answer.reason });
    }
  }

  function settle(token: number, outcome: Outcome) {
    const waiting = pending.get(token);
    pending.delete(token);
    waiting?.done(outcome);
  }

  return {
    probe(check, done) {
      last = (last + 1) >>> 0;
      const token = last;
      const family = familyOf(check.address);
      pending.set(token, { address: check.address, done });
      const request = { identifier: token >>> 16, sequence: token & 0xffff, data: cookie };
      socketFor(family).send(encodeEchoRequest(family, request), check.address, (error) =>
        settle(token, outcomeOfError(error)),
      );
      return { stop: () => pending.delete(token), stage: () => '' };
    },
    close() {
      for (const socket of sockets.values()) socket.close();
      sockets.clear();
    },
  };
}
