import type { CodecContext } from '../../src/protocol/bgp/codec-context.ts';

/** BGP messages as octets, for tests: literal hexadecimal digits, spaces allowed, lengths counted. */
export function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function u16(value: number): string {
  return value.toString(16).padStart(4, '0');
}

/** A whole message of this type, with header. */
export function wireMessage(type: number, body: string): Uint8Array {
  const digits = body.replace(/\s/g, '');
  const type8 = type.toString(16).padStart(2, '0');
  return octets(`${'ff'.repeat(16)}${u16(19 + digits.length / 2)}${type8}${digits}`);
}

/** An UPDATE by its three fields. */
export function wireUpdate(fields: {
  withdrawn?: string;
  attributes?: string;
  announced?: string;
}): Uint8Array {
  const [withdrawn = '', attributes = '', announced = ''] = [
    fields.withdrawn,
    fields.attributes,
    fields.announced,
  ].map((field) => field?.replace(/\s/g, ''));
  const body = `${u16(withdrawn.length / 2)}${withdrawn}${u16(attributes.length / 2)}${attributes}`;
  return wireMessage(2, `${body}${announced}`);
}

/** Both families, numbers of 4 octets, another AS. */
export const EXTERNAL: CodecContext = {
  fourOctetAs: true,
  extendedMessage: false,
  internal: false,
  families: [4, 6],
  extendedNextHop: false,
};

export const INTERNAL: CodecContext = { ...EXTERNAL, internal: true };
export const OLD: CodecContext = { ...EXTERNAL, fourOctetAs: false };
export const UNNUMBERED: CodecContext = { ...EXTERNAL, extendedNextHop: true };
