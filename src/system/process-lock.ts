import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { loadNative } from './native.ts';

/** Held until released or until the process ends, however it ends. */
export interface ProcessLock {
  /** Idempotent. */
  release(): void;
}

interface LockBinding {
  lockDescriptor(fd: number): void;
}

/**
 * Takes the lock at `path` (made, with its folder, when missing), so that a job is done by one
 * process at a time. Never waits: throws an `Error` with code `ELOCKED` that names the holder.
 *
 * The file stays when the lock is released; removing it would let two processes hold "the" lock, one
 * on the old file and one on the new. Its text, the holder's pid, is for people.
 */
export function lockFile(path: string): ProcessLock {
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'a+', 0o640);
  try {
    loadNative<LockBinding>().lockDescriptor(fd);
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`);
  } catch (cause) {
    const refusal = (cause as NodeJS.ErrnoException).code === 'EAGAIN' ? heldError(path) : cause;
    closeSync(fd);
    throw refusal;
  }
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      closeSync(fd);
    },
  };
}

function heldError(path: string): Error {
  const holder = readFileSync(path, 'utf8').trim();
  const who = holder === '' ? 'another process' : `process ${holder}`;
  const message = `Cannot lock "${path}": ${who} holds it; stop that one first`;
  return Object.assign(new Error(message), { code: 'ELOCKED' });
}
