import test from 'ava';
import {
  type Address,
  type Family,
  formatAddress,
  parseAddress,
} from '../../src/domain/address.ts';
import { type IcmpSocket, openIcmpSocket } from '../../src/system/icmp-socket.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const LOOPBACK = { 4: parseAddress('127.0.0.1') as Address, 6: parseAddress('::1') as Address };
/** Echo request with an identifier of its own; over IPv6 the kernel fills the checksum in. */
const REQUEST = {
  4: Uint8Array.from([8, 0, 0x54, 0xa1, 0xa3, 0x5d, 0, 1]),
  6: Uint8Array.from([128, 0, 0, 0, 0xa3, 0x5d, 0, 1]),
};

interface Heard {
  readonly bytes: Uint8Array;
  readonly from: string;
}

/** Sends one echo request to loopback and returns the first message that satisfies `wanted`. */
async function exchange(
  family: Family,
  types: readonly number[],
  wanted: (heard: Heard) => boolean,
): Promise<{ heard: readonly Heard[] }> {
  const heard: Heard[] = [];
  let socket: IcmpSocket | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('No answer in 2 s')), 2_000);
      socket = openIcmpSocket({
        family,
        types,
        clock: realClock,
        log: recordingLog(),
        onMessage(message, from) {
          const one = { bytes: Uint8Array.from(message), from: formatAddress(from) };
          heard.push(one);
          if (!wanted(one)) return;
          clearTimeout(timer);
          resolve();
        },
        onLost: reject,
      });
      socket.send(REQUEST[family], LOOPBACK[family], reject);
    });
  } finally {
    socket?.close();
  }
  return { heard };
}

// A test gives up its privileges for a while, and without them the package may be out of reach.
test.before(async () => {
  await exchange(4, [0], () => true);
});

test('raw-socket loads, and openIcmpSocket() sends and receives without the IPv4 header', async (t) => {
  const isOurs = ({ bytes }: Heard) => bytes[0] === 0 && bytes[4] === 0xa3 && bytes[5] === 0x5d;
  const { heard } = await exchange(4, [0], isOurs);
  t.is(heard.at(-1)?.from, '127.0.0.1');
  t.is(heard.at(-1)?.bytes.length, 8);
});

test('openIcmpSocket() sends and receives over IPv6', async (t) => {
  const isOurs = ({ bytes }: Heard) => bytes[0] === 129 && bytes[4] === 0xa3;
  const { heard } = await exchange(6, [129], isOurs);
  t.is(heard.at(-1)?.from, '::1');
});

test('openIcmpSocket() hears only the types it asked for', async (t) => {
  // On loopback the request itself comes by as well, before its reply.
  const both = await exchange(4, [0, 8], ({ bytes }) => bytes[0] === 0 && bytes[5] === 0x5d);
  t.true(both.heard.some(({ bytes }) => bytes[0] === 8));
  const replies = await exchange(4, [0], ({ bytes }) => bytes[0] === 0 && bytes[5] === 0x5d);
  t.true(replies.heard.every(({ bytes }) => bytes[0] === 0));
  const both6 = await exchange(6, [128, 129], ({ bytes }) => bytes[0] === 129);
  t.true(both6.heard.some(({ bytes }) => bytes[0] === 128));
});

test.serial(
  'openIcmpSocket() opens again, with a growing pause, what could not be opened',
  async (t) => {
    const clock = fakeClock();
    const lost: string[] = [];
    process.seteuid?.(65_534);
    let socket: IcmpSocket | undefined;
    try {
      const answered = new Promise<void>((resolve) => {
        socket = openIcmpSocket({
          family: 4,
          types: [0],
          clock,
          log: recordingLog(),
          onMessage: (message) => message[5] === 0x5d && resolve(),
          onLost: ({ message }) => lost.push(message),
        });
      });
      t.deepEqual(lost, ['No ICMP socket: Operation not permitted']);
      const codes: unknown[] = [];
      const failed = (error: Error) => codes.push((error as NodeJS.ErrnoException).code);
      socket?.send(REQUEST[4], LOOPBACK[4], failed);
      t.deepEqual(codes, ['ENOTCONN']);
      clock.advance(100);
      clock.advance(199);
      t.is(lost.length, 2);
      process.seteuid?.(0);
      clock.advance(1);
      t.is(lost.length, 2);
      socket?.send(REQUEST[4], LOOPBACK[4], failed);
      await answered;
      t.is(codes.length, 1);
    } finally {
      process.seteuid?.(0);
      socket?.close();
    }
  },
);

test('openIcmpSocket() says with a code why a message was not sent', async (t) => {
  const socket = openIcmpSocket({
    family: 4,
    types: [0],
    clock: realClock,
    log: recordingLog(),
    onMessage: () => undefined,
    onLost: () => undefined,
  });
  try {
    // Broadcast needs SO_BROADCAST, which is not set.
    const broadcast = parseAddress('255.255.255.255') as Address;
    const error = await new Promise<Error>((resolve) =>
      socket.send(REQUEST[4], broadcast, resolve),
    );
    t.regex((error as NodeJS.ErrnoException).code ?? '', /^(EACCES|ENETUNREACH)$/);
  } finally {
    socket.close();
  }
});
