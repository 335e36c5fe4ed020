import { readFileSync } from 'node:fs';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';

/** One direction of a TCP connection. */
export interface Stream {
  readonly from: string;
  readonly to: string;
  /** Tells the connections of two hosts apart; that of the other direction is the same. */
  readonly ports: string;
  readonly bytes: Uint8Array;
}

/** Records all BGP that crosses a switch (IPv4), until asked for it. */
export async function captureBgp(lab: Lab, bridge: Host): Promise<() => Promise<Stream[]>> {
  const file = `${lab.directory}/bgp.pcap`;
  const filter = ['-i', 'lan', '-U', '-s', '0', '-w', file, 'ip and tcp port 179'];
  const program = bridge.start(['tcpdump', '-Z', 'root', '--immediate-mode', ...filter]);
  await program.prints(/listening on/);
  return async () => {
    await program.stop('SIGINT');
    return streamsOf(readFileSync(file));
  };
}

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;

interface Segment {
  readonly key: string;
  readonly sequence: number;
  readonly isStart: boolean;
  readonly payload: Uint8Array;
}

/** Segments put in order by their sequence numbers; a capture of the lab lacks none. */
function streamsOf(pcap: Buffer): Stream[] {
  const bySide = Map.groupBy(segmentsOf(pcap), ({ key }) => key);
  return [...bySide].map(([key, segments]) => {
    const [from = '', to = '', ports = ''] = key.split(' ');
    const start = segments.find(({ isStart }) => isStart)?.sequence;
    if (start === undefined) throw new Error(`The beginning of ${key} was not captured`);
    const placed = segments
      .filter(({ payload }) => payload.length > 0)
      .map((each) => ({ ...each, at: (each.sequence - start - 1) >>> 0 }));
    const length = Math.max(0, ...placed.map(({ at, payload }) => at + payload.length));
    const bytes = new Uint8Array(length);
    for (const { at, payload } of placed) bytes.set(payload, at);
    return { from, to, ports, bytes };
  });
}

function segmentsOf(pcap: Buffer): Segment[] {
  const segments: Segment[] = [];
  let at = FILE_HEADER;
  while (at + RECORD_HEADER <= pcap.length) {
    const length = pcap.readUInt32LE(at + 8);
    at += RECORD_HEADER;
    segments.push(segmentIn(pcap.subarray(at + ETHERNET, at + length)));
    at += length;
  }
  return segments;
}

function segmentIn(ip: Buffer): Segment {
  const tcp = ip.subarray((ip.readUInt8(0) & 15) * 4, ip.readUInt16BE(2));
  const [source, destination] = [tcp.readUInt16BE(0), tcp.readUInt16BE(2)];
  const [from, to] = [12, 16].map((offset) => ip.subarray(offset, offset + 4).join('.'));
  return {
    key: `${from} ${to} ${Math.max(source, destination)}`,
    sequence: tcp.readUInt32BE(4),
    isStart: (tcp.readUInt8(13) & 2) !== 0,
    payload: tcp.subarray((tcp.readUInt8(12) >> 4) * 4),
  };
}
