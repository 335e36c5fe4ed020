/**
 * Reads what the program sent, layer by layer, without a look at how it makes it: who it is from and
 * for, and by how much each checksum is wrong.
 */

export interface ReadFrame {
  readonly tags: number;
  readonly ip: ReadIp;
}

export interface ReadIp {
  readonly six: boolean;
  /** In hex: 8 digits or 32. */
  readonly src: string;
  readonly dst: string;
  readonly ttl: number;
  /** Behind extension headers. */
  readonly protocol: number;
  /** A fragment, first or later; of a later one nothing is read behind the IP headers. */
  readonly fragment: 'none' | 'first' | 'later';
  /** 0 when right; of IPv6 always. */
  readonly headerError: number;
  /** Undefined where there is none, or where it cannot be known: fragments, quotes cut short. */
  readonly transportError: number | undefined;
  readonly ports: readonly [number, number] | undefined;
  /** TCP's. */
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly icmpType: number;
  /** What an ICMP error quotes. */
  readonly quote: ReadIp | undefined;
  /** Bytes of the IP packet, as its header says. */
  readonly size: number;
}

const TAG_TYPES: readonly number[] = [0x8100, 0x88a8];
const EXTENSIONS: readonly number[] = [0, 43, 44, 60];
const ERRORS_4: readonly number[] = [3, 11, 12];

/** Undefined for what is not IP, or ends before its headers do. */
export function readFrame(frame: Uint8Array): ReadFrame | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  try {
    let at = 12;
    while (TAG_TYPES.includes(view.getUint16(at))) at += 4;
    const six = view.getUint16(at) === 0x86dd;
    if (!six && view.getUint16(at) !== 0x0800) return undefined;
    return {
      tags: (at - 12) / 4,
      ip: readIp(view, { at: at + 2, six, limit: view.byteLength, quotes: true }),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

interface Headers {
  readonly protocol: number;
  readonly transport: number;
  readonly fragment: ReadIp['fragment'];
}

interface Place {
  readonly at: number;
  readonly six: boolean;
  /** Where what is around it ends. */
  readonly limit: number;
  /** Whether to read what an ICMP error quotes. */
  readonly quotes: boolean;
}

function readIp(view: DataView, { at, six, limit, quotes }: Place): ReadIp {
  const size = six ? 40 + view.getUint16(at + 4) : view.getUint16(at + 2);
  const [from, length] = six ? [at + 8, 16] : [at + 12, 4];
  const { protocol, transport, fragment } = six ? headers6(view, at) : headers4(view, at);
  const end = at + size;
  const least = transport + (protocol === 6 ? 20 : 8);
  const isWhole = fragment === 'none' && least <= end && end <= limit;
  const known = fragment !== 'later' && transport + 8 <= limit;
  const isTcp = protocol === 6 && known && transport + 20 <= limit;
  const isIcmp = protocol === (six ? 58 : 1) && known;
  const icmpType = isIcmp ? view.getUint8(transport) : -1;
  const isError = isIcmp && (six ? icmpType >= 1 && icmpType <= 4 : ERRORS_4.includes(icmpType));
  return {
    six,
    src: hex(view, from, length),
    dst: hex(view, from + length, length),
    ttl: view.getUint8(at + (six ? 7 : 8)),
    protocol,
    fragment,
    headerError: six ? 0 : sum(view, at, at + (view.getUint8(at) & 15) * 4) % 0xffff,
    transportError:
      isWhole && known
        ? transportErrorOf(view, { protocol, six, addresses: [from, length], transport, end })
        : undefined,
    ports:
      known && (protocol === 6 || protocol === 17)
        ? [view.getUint16(transport), view.getUint16(transport + 2)]
        : undefined,
    flags: isTcp ? view.getUint8(transport + 13) : 0,
    seq: isTcp ? view.getUint32(transport + 4) : 0,
    ack: isTcp ? view.getUint32(transport + 8) : 0,
    icmpType,
    quote:
      isError && quotes ? readQuote(view, transport + 8, six, Math.min(end, limit)) : undefined,
    size,
  };
}

function readQuote(view: DataView, at: number, six: boolean, limit: number): ReadIp | undefined {
  const isThere = at + (six ? 40 : 20) <= limit;
  return isThere ? readIp(view, { at, six, limit, quotes: false }) : undefined;
}

function headers4(view: DataView, at: number): Headers {
  const bits = view.getUint16(at + 6);
  const fragment = (bits & 0x1fff) > 0 ? 'later' : (bits & 0x2000) > 0 ? 'first' : 'none';
  const transport = at + (view.getUint8(at) & 15) * 4;
  return { protocol: view.getUint8(at + 9), transport, fragment };
}

function headers6(view: DataView, at: number): Headers {
  let protocol = view.getUint8(at + 6);
  let transport = at + 40;
  let fragment: ReadIp['fragment'] = 'none';
  while (EXTENSIONS.includes(protocol) && fragment !== 'later') {
    let length = 8 + view.getUint8(transport + 1) * 8;
    if (protocol === 44) {
      const bits = view.getUint16(transport + 2);
      if ((bits & ~7) > 0) fragment = 'later';
      else if ((bits & 1) > 0) fragment = 'first';
      length = 8;
    }
    protocol = view.getUint8(transport);
    transport += length;
  }
  return { protocol, transport, fragment };
}

interface Segment {
  readonly protocol: number;
  readonly six: boolean;
  readonly addresses: readonly [at: number, length: number];
  readonly transport: number;
  readonly end: number;
}

function transportErrorOf(view: DataView, segment: Segment): number | undefined {
  const { protocol, six, addresses, transport, end } = segment;
  if (![1, 6, 17, 58].includes(protocol)) return undefined;
  if (protocol === 17 && view.getUint16(transport + 6) === 0) return undefined;
  const [at, length] = addresses;
  const hasPseudoHeader = protocol !== 1 || six;
  const covered = protocol === 17 ? transport + view.getUint16(transport + 4) : end;
  if (covered > end || covered < transport + 8) return undefined;
  const pseudo = hasPseudoHeader
    ? sum(view, at, at + 2 * length) + protocol + covered - transport
    : 0;
  return (pseudo + sum(view, transport, covered)) % 0xffff;
}

function sum(view: DataView, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i += 2)
    total += (view.getUint8(i) << 8) | (i + 1 < to ? view.getUint8(i + 1) : 0);
  return total;
}

function hex(view: DataView, from: number, length: number): string {
  return Buffer.from(view.buffer, view.byteOffset + from, length).toString('hex');
}
