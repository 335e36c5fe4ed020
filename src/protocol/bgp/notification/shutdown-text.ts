/** Octets of text that fit (RFC 9003 §2). */
const MAX_TEXT = 255;

/** What could make a log or a terminal show something else than it says. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]+/gu;

/** Data of the Cease subcodes 2 and 4: a length and UTF-8, cut after the last character that fits whole. */
export function encodeShutdownText(text: string): Uint8Array<ArrayBuffer> {
  const whole = new TextEncoder().encode(text);
  let length = Math.min(whole.length, MAX_TEXT);
  // An octet 10xxxxxx goes on with a character that began before it.
  while (length < whole.length && ((whole[length] as number) & 0xc0) === 0x80) length--;
  const data = new Uint8Array(1 + length);
  data[0] = length;
  data.set(whole.subarray(0, length), 1);
  return data;
}

/**
 * The text on one line, safe to show; empty when there is none. Data that is not of that form is shown as
 * hexadecimal digits (RFC 9003 §3).
 */
export function decodeShutdownText(data: Uint8Array): string {
  const length = data[0] ?? 0;
  if (length === 0 && data.length <= 1) return '';
  if (length !== data.length - 1) return hexText(data);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(data.subarray(1));
    return text.replace(UNPRINTABLE, ' ').trim();
  } catch {
    return hexText(data);
  }
}

const MAX_HEX = 64;

/** `0x` and digits, cut with `…`. */
function hexText(bytes: Uint8Array): string {
  const digits = Array.from(bytes.subarray(0, MAX_HEX), (octet) =>
    octet.toString(16).padStart(2, '0'),
  ).join('');
  return `0x${digits}${bytes.length > MAX_HEX ? '…' : ''}`;
}
