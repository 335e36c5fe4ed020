import {
  interfaceBlock,
  packetBlock,
  sectionBlock,
  statisticsBlock,
} from '../protocol/pcap/pcapng.ts';
import type { CapturedPacket } from './inspect-view.ts';

/** Writes captured packets as a pcapng file, piece by piece. */
export interface CaptureFile {
  /** Packets as they came, in the file so far. */
  readonly count: number;
  readonly bytes: number;
  /** The begin of the file. */
  begin(): Uint8Array;
  /**
   * The blocks of these packets, whose order is that of the program. One that came in waits for its
   * verdict, which comes next.
   */
  add(packets: readonly CapturedPacket[], max: number): Uint8Array;
  /** What still waits, and how many were lost. */
  end(timeNs: bigint, lost: number): Uint8Array;
}

const VERDICT_COMMENTS: Readonly<Record<number, string>> = {
  0: 'dropped by Tidegate: no way out',
  1: 'dropped by Tidegate',
  2: 'passed to the kernel',
};

export function createCaptureFile(version: string, snapLength: number): CaptureFile {
  const interfaces = new Map<string, number>();
  const waiting = new Map<bigint, CapturedPacket>();
  let count = 0;
  let bytes = 0;

  function write(blocks: Uint8Array[], packet: CapturedPacket, verdict: number | undefined): void {
    let place = interfaces.get(packet.interface);
    if (place === undefined) {
      place = interfaces.size;
      interfaces.set(packet.interface, place);
      blocks.push(interfaceBlock(packet.interface, snapLength));
    }
    const comment = packet.direction === 'in' ? (VERDICT_COMMENTS[verdict ?? -1] ?? '') : '';
    blocks.push(packetBlock({ ...packet, interface: place, verdict, comment }));
  }

  const joined = (blocks: readonly Uint8Array[]): Uint8Array => {
    const whole = Buffer.concat(blocks);
    bytes += whole.length;
    return whole;
  };

  return {
    get count() {
      return count;
    },
    get bytes() {
      return bytes;
    },
    begin: () => joined([sectionBlock(`tidegate ${version}`)]),
    add(packets, max) {
      const blocks: Uint8Array[] = [];
      for (const packet of packets) {
        if (packet.direction === 'in') {
          if (count === max) break;
          waiting.set(packet.id, packet);
          count += 1;
          continue;
        }
        const came = waiting.get(packet.id);
        waiting.delete(packet.id);
        if (came) write(blocks, came, packet.verdict);
        if (packet.bytes.length > 0) write(blocks, packet, packet.verdict);
      }
      return joined(blocks);
    },
    end(timeNs, lost) {
      const blocks: Uint8Array[] = [];
      for (const packet of waiting.values()) write(blocks, packet, undefined);
      // Readers want to know of an interface, also when nothing came.
      if (interfaces.size === 0) blocks.push(interfaceBlock('none', snapLength));
      blocks.push(statisticsBlock(0, timeNs, lost));
      return joined(blocks);
    },
  };
}
