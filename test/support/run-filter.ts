import {
  AND,
  DROP,
  type FilterInstruction,
  IF_AT_LEAST,
  IF_BITS,
  IF_EQUAL,
  IF_EQUAL_X,
  IP_HEADER,
  JUMP,
  LOAD_BYTE,
  LOAD_HALF,
  LOAD_MEMORY,
  LOAD_WORD,
  PACKET_TYPE,
  RANDOM,
  STORE,
  TO_X,
} from '../../src/system/classic-bpf.ts';

/** What arrives at a socket: what it reads, and what lies about that. */
export interface Arrival {
  readonly data?: Uint8Array;
  readonly ipHeader?: Uint8Array;
  readonly packetType?: number;
  /** What the kernel draws. */
  readonly random?: number;
}

const SIZES: Readonly<Record<number, number>> = { [LOAD_BYTE]: 1, [LOAD_HALF]: 2, [LOAD_WORD]: 4 };
const [RETURN] = DROP;

/** Runs classic BPF as the kernel does, as far as programs of ours go. True: it lets in what arrived. */
export function runFilter(program: readonly FilterInstruction[], arrival: Arrival): boolean {
  const memory: number[] = [];
  let a = 0;
  let x = 0;
  for (let at = 0; ; at++) {
    const instruction = program[at];
    if (!instruction) throw new Error(`The program runs off its end at ${at}`);
    const [code, jt, jf, k] = instruction;
    const size = SIZES[code];
    if (size !== undefined) {
      const value = load(arrival, k, size);
      if (value === undefined) return false;
      a = value;
    } else if (code === LOAD_MEMORY) a = memory[k] ?? Number.NaN;
    else if (code === STORE) memory[k] = a;
    else if (code === TO_X) x = a;
    else if (code === AND) a = (a & k) >>> 0;
    else if (code === JUMP) at += k;
    else if (code === IF_EQUAL) at += a === k ? jt : jf;
    else if (code === IF_EQUAL_X) at += a === x ? jt : jf;
    else if (code === IF_AT_LEAST) at += a >= k ? jt : jf;
    else if (code === IF_BITS) at += (a & k) !== 0 ? jt : jf;
    else if (code === RETURN) return k > 0;
    else throw new Error(`Unknown instruction ${code}`);
  }
}

/** `undefined` beyond the end, where the kernel drops. */
function load(arrival: Arrival, k: number, size: number): number | undefined {
  if (k === PACKET_TYPE) return arrival.packetType;
  if (k === RANDOM) return arrival.random;
  const isOfIp = k >= IP_HEADER;
  const bytes = (isOfIp ? arrival.ipHeader : arrival.data) ?? new Uint8Array();
  const at = isOfIp ? k - IP_HEADER : k;
  if (at + size > bytes.length) return undefined;
  return bytes.subarray(at, at + size).reduce((word, byte) => word * 256 + byte, 0);
}
