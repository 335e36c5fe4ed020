import { crc32 } from 'node:zlib';
import type { Json } from './json.ts';

/**
 * The lines of a ledger:
 *
 *     {"k":"default/web","v":{"addresses":["192.0.2.1"]},"c":"8f3a01bc"}
 *     {"k":"default/old","c":"77e0412d"}
 *
 * `k` is the key, `v` the new value (none: removed), `c` the CRC-32 of all bytes before `,"c"`.
 * `"more":true` says that the next line belongs to the same put, so that a put is all or nothing
 * even when the process dies in the middle of the write.
 */
export interface LedgerChange {
  readonly key: string;
  readonly value: Json | undefined;
  /** Bytes of the line, its newline included. */
  readonly bytes: number;
}

/** Something in the file that could not be used; `line` counts from 1. */
export interface LedgerDamage {
  readonly line: number;
  readonly kind: 'corrupt' | 'torn';
  readonly message: string;
}

export interface Replay {
  readonly changes: readonly LedgerChange[];
  /** Where the last complete put ends; whatever follows was never acknowledged. */
  readonly length: number;
  /** Lines up to `length`. */
  readonly lines: number;
  readonly damage: readonly LedgerDamage[];
}

/** Longest line that is written, so that no single value makes a reader's buffer explode. */
export const MAX_LINE_BYTES = 4 * 1024 * 1024;

const NEWLINE = 10;
const CHECKSUM = /^,"c":"([0-9a-f]{8})"\}$/;
const CHECKSUM_LENGTH = ',"c":"00000000"}'.length;

/** One line with its newline. Throws `RangeError` when it is longer than `MAX_LINE_BYTES`. */
export function encodeLine(key: string, value: Json | undefined, more: boolean): Buffer {
  const entry = { k: key, ...(value === undefined ? {} : { v: value }), ...(more ? { more } : {}) };
  const body = JSON.stringify(entry).slice(0, -1);
  const checksum = crc32(body).toString(16).padStart(8, '0');
  const line = Buffer.from(`${body},"c":"${checksum}"}\n`);
  if (line.length > MAX_LINE_BYTES) {
    throw new RangeError(
      `The value of "${key}" takes ${line.length} bytes, the limit is ${MAX_LINE_BYTES}; shorten it`,
    );
  }
  return line;
}

/** Reads what follows a complete put. `firstLine` numbers the first line of `bytes`. */
export function replay(bytes: Buffer, firstLine = 1): Replay {
  const changes: LedgerChange[] = [];
  const damage: LedgerDamage[] = [];
  let pending: LedgerChange[] = [];
  let length = 0;
  let lines = 0;
  let seen = 0;
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const line = decodeLine(bytes.subarray(start, end));
    start = end + 1;
    seen += 1;
    if (line === undefined) damage.push(corrupt(firstLine + seen - 1));
    else pending.push({ ...line, bytes: line.bytes + 1 });
    // A corrupt line cannot say whether its put goes on, so what was read before it is taken as it is.
    if (line?.more) continue;
    changes.push(...pending);
    pending = [];
    length = start;
    lines = seen;
  }
  if (length < bytes.length) damage.push(torn(firstLine + lines, bytes.length - length));
  return { changes, length, lines, damage };
}

/** Reads one line without its newline; `undefined` when it cannot be used. */
export function decodeLine(bytes: Buffer): (LedgerChange & { readonly more: boolean }) | undefined {
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_LENGTH));
  const checksum = CHECKSUM.exec(bytes.toString('latin1', body.length))?.[1];
  if (checksum === undefined || Number.parseInt(checksum, 16) !== crc32(body)) return undefined;
  try {
    const entry = JSON.parse(bytes.toString()) as { k?: unknown; v?: Json; more?: unknown } | null;
    if (entry === null || typeof entry.k !== 'string') return undefined;
    return { key: entry.k, value: entry.v, bytes: bytes.length, more: entry.more === true };
  } catch {
    return undefined;
  }
}

function corrupt(line: number): LedgerDamage {
  return { line, kind: 'corrupt', message: `Line ${line} fails its checksum and is skipped` };
}

function torn(line: number, bytes: number): LedgerDamage {
  const message = `The last ${bytes} bytes, from line ${line} on, are an unfinished write and are cut off`;
  return { line, kind: 'torn', message };
}
