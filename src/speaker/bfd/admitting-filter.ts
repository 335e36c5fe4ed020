import { type Address, type Family, familyOf } from '../../domain/address.ts';
import { CONTROL_PACKET_SIZE } from '../../protocol/bfd/control-packet.ts';
import {
  AND,
  DROP,
  type FilterInstruction,
  IF_EQUAL,
  IP_HEADER,
  JUMP,
  LOAD_WORD,
  PASS,
  RANDOM,
} from '../../system/classic-bpf.ts';

/** Whose packets are worth waking up for. */
export interface Guests {
  /** Ours: what peers say as Your Discriminator. */
  readonly discriminators: readonly number[];
  /** Sources of packets that do not know ours yet. */
  readonly remotes: readonly Address[];
}

/** Of what is not let through, one in so many is, so that it is counted and told of. */
const SAMPLE = 16;
/** BPF_MAXINSNS of the kernel. */
const INSTRUCTIONS_MAX = 4096;

const UDP_HEADER_SIZE = 8;
const YOUR_DISCRIMINATOR_AT = UDP_HEADER_SIZE + 8;
/** The last four octets of the source address. */
const SOURCE_AT: Readonly<Record<Family, number>> = {
  4: IP_HEADER + 12,
  6: IP_HEADER + 20,
};

/** For more guests than a program has room for, or the kernel memory. */
export const LET_ALL_IN: readonly FilterInstruction[] = [PASS];

/**
 * Finds the session of a packet in the kernel, by the rule of RFC 5880 §6.3, as far as that can be: a flood
 * of others' packets must not occupy a processor with a thread that goes before all ordinary ones. An IPv6
 * source is known by its last 32 bits.
 */
export function admittingFilter(family: Family, guests: Guests): readonly FilterInstruction[] {
  const sources = guests.remotes
    .filter((remote) => familyOf(remote) === family)
    .map((remote) => Number(remote & 0xffff_ffffn));
  const bySource = [load(SOURCE_AT[family]), ...sources.flatMap(letIn)];
  const program: readonly FilterInstruction[] = [
    // One that is too short for a packet ends here, uncounted.
    load(UDP_HEADER_SIZE + CONTROL_PACKET_SIZE - 4),
    load(YOUR_DISCRIMINATOR_AT),
    ...guests.discriminators.flatMap(letIn),
    [IF_EQUAL, 1, 0, 0],
    [JUMP, 0, 0, bySource.length],
    ...bySource,
    load(RANDOM),
    [AND, 0, 0, SAMPLE - 1],
    [IF_EQUAL, 0, 1, 0],
    PASS,
    DROP,
  ];
  return program.length > INSTRUCTIONS_MAX ? LET_ALL_IN : program;
}

function load(at: number): FilterInstruction {
  return [LOAD_WORD, 0, 0, at];
}

/** The packet when the word loaded is this one; else goes on. */
function letIn(word: number): FilterInstruction[] {
  return [[IF_EQUAL, 0, 1, word], PASS];
}
