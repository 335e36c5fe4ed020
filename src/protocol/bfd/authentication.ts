import {
  CONTROL_PACKET_SIZE,
  type ControlPacket,
  encodeControlPacket,
  type ReceivedPacket,
} from './control-packet.ts';
import type { AuthenticationDrop } from './drop-reason.ts';

/** Keyed SHA1 and meticulous keyed SHA1 (RFC 5880 §4.4, §6.7.4). */
export type AuthenticationKind = 'keyedSha1' | 'meticulousKeyedSha1';

export interface AuthenticationKey {
  readonly kind: AuthenticationKind;
  readonly keyId: number;
  /** Exactly `HASH_SIZE` bytes: what is shorter is filled up with zeros (`padKey`). */
  readonly key: Uint8Array;
  /** SHA-1 (FIPS 180-4) of these bytes: 20 bytes. */
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
}

/** Sequence numbers of both directions: bfd.XmitAuthSeq, and bfd.RcvAuthSeq once it is known. */
export interface AuthenticationState {
  readonly sent: number;
  readonly received: number | undefined;
}

const TYPES: Readonly<Record<AuthenticationKind, number>> = {
  keyedSha1: 4,
  meticulousKeyedSha1: 5,
};

/** Bytes of a SHA1 hash, and so the most of a key. */
export const HASH_SIZE = 20;
/** Type, length, key ID, reserved, sequence number, hash. */
const SECTION_SIZE = 28;

const SEQUENCE_AT = CONTROL_PACKET_SIZE + 4;
const HASH_AT = CONTROL_PACKET_SIZE + 8;

/** `undefined` when it is empty or longer than the section has room for. */
export function padKey(key: Uint8Array): Uint8Array | undefined {
  if (key.length === 0 || key.length > HASH_SIZE) return undefined;
  const padded = new Uint8Array(HASH_SIZE);
  padded.set(key);
  return padded;
}

/**
 * The packet with its section. The sequence number moves on with every packet when `meticulous`, else
 * when `changed` says that this one differs from the last.
 */
export function signPacket(
  packet: ControlPacket,
  key: AuthenticationKey,
  state: AuthenticationState,
  changed: boolean,
): { readonly bytes: Uint8Array; readonly state: AuthenticationState } {
  const moves = changed || key.kind === 'meticulousKeyedSha1';
  const sent = moves ? (state.sent + 1) >>> 0 : state.sent;
  const bytes = encodeControlPacket(packet, SECTION_SIZE);
  bytes[CONTROL_PACKET_SIZE] = TYPES[key.kind];
  bytes[CONTROL_PACKET_SIZE + 1] = SECTION_SIZE;
  bytes[CONTROL_PACKET_SIZE + 2] = key.keyId;
  new DataView(bytes.buffer).setUint32(SEQUENCE_AT, sent);
  bytes.set(digestOf(bytes, key), HASH_AT);
  return { bytes, state: { ...state, sent } };
}

/**
 * Whether the packet is the peer's (§6.7.4): `state` afterwards, or why not. A forged one leaves the
 * sequence as it was. `detectMultiplier` is this side's: the window is three times as wide.
 */
export function verifyPacket(
  received: ReceivedPacket,
  key: AuthenticationKey | undefined,
  state: AuthenticationState,
  detectMultiplier: number,
): { readonly state: AuthenticationState } | { readonly drop: AuthenticationDrop } {
  const { section, bytes } = received;
  if (key === undefined) return section ? { drop: 'unexpectedAuthentication' } : { state };
  if (section === undefined) return { drop: 'unauthenticated' };
  if (section.type !== TYPES[key.kind] || section.length !== SECTION_SIZE) {
    return { drop: 'wrongAuthenticationType' };
  }
  if (bytes[CONTROL_PACKET_SIZE + 2] !== key.keyId) return { drop: 'wrongKeyId' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sequence = view.getUint32(SEQUENCE_AT);
  if (!isNext(sequence, state.received, key.kind, detectMultiplier)) {
    return { drop: 'wrongSequence' };
  }
  const hash = bytes.subarray(HASH_AT, HASH_AT + HASH_SIZE);
  if (!sameBytes(hash, digestOf(bytes, key))) return { drop: 'wrongDigest' };
  return { state: { ...state, received: sequence } };
}

/** Circular, modulo 2^32. */
function isNext(
  sequence: number,
  last: number | undefined,
  kind: AuthenticationKind,
  detectMultiplier: number,
): boolean {
  if (last === undefined) return true;
  const ahead = (sequence - last) >>> 0;
  return ahead >= (kind === 'meticulousKeyedSha1' ? 1 : 0) && ahead <= 3 * detectMultiplier;
}

/** The hash over the whole packet with the key where the hash will stand. */
function digestOf(bytes: Uint8Array, { key, sha1 }: AuthenticationKey): Uint8Array {
  const keyed = bytes.slice();
  keyed.set(key, HASH_AT);
  return sha1(keyed);
}

/** Takes as long whichever byte differs. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < HASH_SIZE; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
