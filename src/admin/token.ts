import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';

/** Shorter tokens are refused: they can be guessed. */
const TOKEN_MIN = 16;

/**
 * Reads the bearer token of the TCP listener. Rejects with the remedy when the file is readable by
 * everybody or holds no usable token.
 */
export async function readToken(file: string): Promise<string> {
  const { mode } = await stat(file);
  if ((mode & 0o007) !== 0) {
    throw new Error(`Token file "${file}" is open to every user; run "chmod o= ${file}"`);
  }
  const token = (await readFile(file, 'utf8')).trim();
  if (/^[\x21-\x7e]+$/.test(token) && token.length >= TOKEN_MIN) return token;
  throw new Error(
    `Token file "${file}" holds no token of ${TOKEN_MIN} or more printable characters; ` +
      `write one with "openssl rand -hex 32 > ${file}"`,
  );
}

/** True when the header carries the token (RFC 6750 §2.1), in the same time whatever differs. */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const match = /^Bearer +([^ ]+) *$/i.exec(header ?? '');
  const shown = digest(match?.[1] ?? '');
  return timingSafeEqual(shown, digest(token)) && match !== null;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
