/**
 * A client for a host of the lab: one connected UDP socket that sends datagrams until it gets an
 * answer or an error, as ICMP brings them.
 *
 * `node datagrams.ts <json>` (a `DatagramJob`) prints one JSON line, a `DatagramResult`.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

export interface DatagramJob {
  readonly host: string;
  readonly port: number;
  readonly bytes: number;
  /** At most so many, `EVERY_MS` apart. */
  readonly tries: number;
  /** Time to live, or hop limit. */
  readonly ttl?: number;
}

export interface DatagramResult {
  readonly sent: number;
  readonly answeredBytes?: number;
  /** For example `ECONNREFUSED`. */
  readonly error?: string;
}

const EVERY_MS = 100;

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}'))));
  process.exit(0);
}

async function run({ host, port, bytes, tries, ttl }: DatagramJob): Promise<DatagramResult> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  let outcome: Omit<DatagramResult, 'sent'> | undefined;
  socket.on('message', (datagram) => {
    outcome ??= { answeredBytes: datagram.length };
  });
  const fail = (error: NodeJS.ErrnoException) => {
    // A way that turned out narrower is an error once; the next datagram goes in fragments.
    if (error.code !== 'EMSGSIZE') outcome ??= { error: error.code ?? error.message };
  };
  socket.on('error', fail);
  await new Promise<void>((resolve) => socket.connect(port, host, resolve));
  if (ttl !== undefined) socket.setTTL(ttl);
  let sent = 0;
  while (sent < tries && outcome === undefined) {
    socket.send(Buffer.alloc(bytes), (error) => error && fail(error));
    sent += 1;
    await sleep(EVERY_MS);
  }
  return { sent, ...outcome };
}
