/**
 * Clients that are hard on a load balancer, as a program for a host of the lab: several addresses
 * send large UDP datagrams in fragments, all with the same identification at the same time, one
 * client's between the others', in order, backwards or shuffled. What is answered must be what was
 * sent.
 *
 * `node fragment-client.ts <json>` prints one JSON line (`FragmentResult`).
 */
import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { openSocket } from '../../src/system/sockets.ts';
import { fragmentsOf } from '../support/fragments.ts';
import { createMutator } from '../support/mutate.ts';
import { udp } from '../support/packet.ts';

export interface FragmentJob {
  readonly vip: string;
  readonly port: number;
  /** Own addresses, one a client. */
  readonly clients: readonly string[];
  readonly ifindex: number;
  readonly ownMac: string;
  readonly gatewayMac: string;
  readonly rounds: number;
  readonly bytes: number;
}

export interface FragmentResult {
  readonly good: number;
  readonly failures: readonly string[];
}

/** Fits an Ethernet frame with either family's headers; a multiple of 8. */
const PIECE = 1448;
const FIRST_PORT = 5000;
const TIMEOUT_MS = 3000;

if (process.argv[1] === import.meta.filename) {
  console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '{}'))));
  process.exit(0);
}

async function run(job: FragmentJob): Promise<FragmentResult> {
  const wire = openSocket(
    { family: 'packet', ifindex: job.ifindex, etherType: 0x88b5 },
    () => undefined,
    (error) => console.error(error),
  );
  const clients = await Promise.all(job.clients.map((client, i) => listen(client, FIRST_PORT + i)));
  const failures: string[] = [];
  let good = 0;
  for (let round = 0; round < job.rounds; round++) {
    const payloads = clients.map(() => randomBytes(job.bytes));
    const answers = clients.map((socket) => answerOf(socket));
    for (const frame of framesOf(job, payloads, round)) wire.send(frame);
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      const said = answer?.subarray(answer.indexOf(10) + 1);
      if (said === undefined) failures.push(`round ${round}: no answer to ${job.clients[i]}`);
      else if (!payloads[i]?.equals(said)) failures.push(`round ${round}: the echo differs`);
      else good += 1;
    }
  }
  return { good, failures };
}

/** All clients' fragments of a round, in the order of the wire. */
function framesOf(job: FragmentJob, payloads: readonly Buffer[], round: number): Uint8Array[] {
  const at = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const datagrams = job.clients.map((client, i) => {
    const whole = udp({
      from: at(client, FIRST_PORT + i),
      to: at(job.vip, job.port),
      srcMac: job.ownMac,
      dstMac: job.gatewayMac,
      payload: payloads[i] ?? '',
    });
    return fragmentsOf(whole, PIECE, 1 + round);
  });
  const places = [...(datagrams[0] ?? []).keys()];
  const orders = [places, places.toReversed(), shuffled(places, round)];
  return (orders[round % orders.length] ?? places).flatMap((place) =>
    datagrams.map((fragments) => fragments[place] ?? new Uint8Array()),
  );
}

function shuffled(places: readonly number[], seed: number): number[] {
  const { random } = createMutator(seed + 1);
  const left = [...places];
  return places.map(() => left.splice(random(left.length), 1)[0] ?? 0);
}

async function listen(address: string, port: number): Promise<Socket> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}

function answerOf(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const finish = (answer: Buffer | undefined) => {
      clearTimeout(timer);
      socket.off('message', finish);
      resolve(answer);
    };
    const timer = setTimeout(() => finish(undefined), TIMEOUT_MS);
    socket.on('message', finish);
  });
}
