import { readFileSync } from 'node:fs';
import { decodeMessages } from '../../../src/protocol/rtnetlink/message.ts';

/** Messages of a Linux 6.18 kernel, as hexadecimal, by what they are. */
export const CAPTURED: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL('../../fixtures/rtnetlink.json', import.meta.url), 'utf8'),
);

/** What follows the header of a captured message. */
export function capturedBody(name: string): Uint8Array {
  const hex = CAPTURED[name];
  const [message] = hex === undefined ? [] : decodeMessages(Buffer.from(hex, 'hex'));
  if (!message) throw new Error(`There is no captured message "${name}"`);
  return message.body;
}
