/**
 * Programs that the kernel runs over what arrives at a socket, before JavaScript wakes: classic BPF
 * (bpf(4), `linux/filter.h`). The result is how many bytes to take. Offsets count from what the socket
 * reads; a load beyond its end drops it.
 */

/** `[code, jump if true, jump if false, operand]`, as `tcpdump -dd` prints it. */
export type FilterInstruction = readonly [code: number, jt: number, jf: number, k: number];

/** Into the accumulator, from the packet. */
export const LOAD_WORD = 0x20;
export const LOAD_HALF = 0x28;
export const LOAD_BYTE = 0x30;
/** Between the accumulator and memory, and to the index register. */
export const LOAD_MEMORY = 0x60;
export const STORE = 0x02;
export const TO_X = 0x07;
export const AND = 0x54;
/** As many instructions further on as the operand says. */
export const JUMP = 0x05;
export const IF_EQUAL = 0x15;
export const IF_EQUAL_X = 0x1d;
export const IF_AT_LEAST = 0x35;
/** Any bit of the operand is set. */
export const IF_BITS = 0x45;
const RETURN = 0x06;

export const PASS: FilterInstruction = [RETURN, 0, 0, 0xffff_ffff];
export const DROP: FilterInstruction = [RETURN, 0, 0, 0];

/** `SKF_NET_OFF`: offsets from the IP header, also where that lies before the data. */
export const IP_HEADER = 0xfff0_0000;
/** `SKF_AD_OFF + SKF_AD_PKTTYPE`: PACKET_HOST and so on. */
export const PACKET_TYPE = 0xffff_f004;
/** `SKF_AD_OFF + SKF_AD_RANDOM`: another word each time. */
export const RANDOM = 0xffff_f038;

/** As the kernel has it: `struct sock_filter` is u16 code, u8 jt, u8 jf, u32 k in the machine's order. */
export function filterWords(filter: readonly FilterInstruction[]): Uint32Array {
  const words = new Uint32Array(filter.length * 2);
  const halves = new Uint16Array(words.buffer);
  const bytes = new Uint8Array(words.buffer);
  for (const [index, [code, jt, jf, k]] of filter.entries()) {
    halves[index * 4] = code;
    bytes[index * 8 + 2] = jt;
    bytes[index * 8 + 3] = jf;
    words[index * 2 + 1] = k;
  }
  return words;
}
