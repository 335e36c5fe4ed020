import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Host } from '../../../lab/host.ts';
import { tcpFrom } from '../../netns/box.ts';
import type { SteadyResult } from '../../netns/steady-client.ts';
import type { TrafficResult } from '../../netns/traffic.ts';

const STEADY = fileURLToPath(new URL('../../netns/steady-client.ts', import.meta.url));
const WAIT_MS = 20_000;

/** Clients at work on an address for a while, port 80. */
export interface Load {
  /** One UDP flow, a datagram every 10 ms. */
  readonly udp: Promise<SteadyResult>;
  /** TCP connections that are open the whole time, a little data now and then. */
  readonly tcp: Promise<TrafficResult>;
}

const CONNECTIONS = 10;
const PIECE_EVERY_MS = 100;

/** Resolves once all of them get answers. */
export async function startLoad(client: Host, vip: string, durationMs: number): Promise<Load> {
  const steady = client.start([process.execPath, STEADY, vip, '80', `${durationMs}`]);
  await steady.prints(/^READY/m, WAIT_MS);
  const pieces = durationMs / PIECE_EVERY_MS;
  const tcp = tcpFrom(client, {
    ...{ host: vip, port: 80, connections: CONNECTIONS, parallel: CONNECTIONS },
    ...{ bytes: pieces * 100, pieces, pauseMs: PIECE_EVERY_MS },
  });
  // Long enough for all of them to be open.
  await sleep(500);
  const udp = steady.exited.then(() => JSON.parse(steady.output().replace('READY\n', '')));
  return { udp, tcp };
}

/** Less is what a busy machine does to anybody. */
const GAP_MS = 1000;
const LOST = 5;

/** Waits for the end, and says what the clients had to complain of; nothing, when they noticed nothing. */
export async function complaintsOf({ udp, tcp }: Load): Promise<readonly string[]> {
  const { longestGapMs, sent, answered } = await udp;
  const { failures, good } = await tcp;
  const lost = sent - answered;
  return [
    ...failures.map((failure) => `TCP: ${failure}`),
    ...(good + failures.length === CONNECTIONS ? [] : [`TCP: ${good} connections`]),
    ...(longestGapMs > GAP_MS ? [`UDP: no answer for ${longestGapMs} ms`] : []),
    ...(lost > LOST ? [`UDP: ${lost} datagrams of ${sent} lost`] : []),
  ];
}

/** Whether a new connection to port 80 of an address gets through, and who answers. */
export async function answers(client: Host, vip: string): Promise<string | undefined> {
  const job = { host: vip, port: 80, connections: 1, parallel: 1, bytes: 10 };
  return Object.keys((await tcpFrom(client, job)).answeredBy)[0];
}
