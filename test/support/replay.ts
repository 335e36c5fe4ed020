/**
 * Many packets through a loaded program without leaving the kernel, by `native/lab/replay.bpf.c`.
 */
import { type BpfObject, loadBpf } from '../../src/system/bpf.ts';
import { REPLAY_OBJECT, u32 } from './dataplane-fixture.ts';

export interface ReplayStream {
  /** One packet for each client: the source address's last 32 bits count from the packet's on. */
  readonly packet: Uint8Array;
  /** A power of two. */
  readonly clients: number;
  /** Odd: clients come in another order, so that caches and prefetchers do not know it. */
  readonly step?: number;
}

export interface Replay {
  /** What the next runs send. */
  load(stream: ReplayStream): void;
  /**
   * Sends `repeat` packets on one CPU; resolves to nanoseconds each, this program's own cost
   * included.
   */
  run(repeat: number, cpu: number): Promise<number>;
  /** Without a target, only the replay itself runs: the cost to subtract. */
  aim(target: BpfObject | undefined): void;
  close(): void;
}

const FRAME_MAX = 128;
const IPV4_SOURCE_AT = 26;
const IPV6_SOURCE_END_AT = 34;

export function openReplay(target: BpfObject): Replay {
  const object = loadBpf({
    object: REPLAY_OBJECT,
    pinDir: undefined,
    maxEntries: {},
  });
  const map = (name: string) => {
    const found = object.maps[name];
    if (found === undefined) throw new Error(`There is no map "${name}"`);
    return found;
  };
  let packet: Uint8Array = new Uint8Array(64);

  const replay: Replay = {
    load: (stream) => {
      packet = stream.packet;
      const value = new Uint8Array(16 + FRAME_MAX);
      const six = packet[12] === 0x86;
      const fields = [
        packet.length,
        six ? IPV6_SOURCE_END_AT : IPV4_SOURCE_AT,
        stream.clients - 1,
        stream.step ?? 1,
      ];
      value.set(new Uint8Array(new Uint32Array(fields).buffer));
      value.set(packet.subarray(0, FRAME_MAX), 16);
      map('replay_stream').update(u32(0), value);
      const position = map('replay_position').lookup(u32(0));
      if (position !== undefined) map('replay_position').update(u32(0), position.fill(0));
    },
    run: (repeat, cpu) => object.testRepeat(packet, { ifindex: 0, repeat, cpu }),
    aim: (program) => {
      if (program === undefined) map('replay_target').delete(u32(0));
      else map('replay_target').update(u32(0), u32(program.programFd));
    },
    close: () => object.close(),
  };
  replay.aim(target);
  return replay;
}
