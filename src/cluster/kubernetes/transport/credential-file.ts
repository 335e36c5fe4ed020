import { open } from 'node:fs/promises';
import { ApiError } from './api-error.ts';

/** A kubeconfig, a certificate bundle or a token larger than this is none. */
const MAX_FILE_BYTES = 4 * 1_048_576;

/** The bytes of a file of credentials. Rejects with ApiError (`Credentials`) that names file and use. */
export async function readCredentialFile(path: string, use: string): Promise<Buffer> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > MAX_FILE_BYTES)
        throw new Error(`${size} bytes, at most ${MAX_FILE_BYTES} are read`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw credentialError(`${use}: cannot read "${path}": ${(cause as Error).message}`, cause);
  }
}

/** `message` must not quote what is secret. */
export function credentialError(message: string, cause?: unknown): ApiError {
  return new ApiError(message, { status: 0, reason: 'Credentials', cause });
}
