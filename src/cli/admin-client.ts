import { readdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';

/** A process that says nothing for so long is told of, and not waited for. */
const ANSWER_TIMEOUT_MS = 2000;
/** A larger answer is not read to its end; lists come in pages far below it. */
const ANSWER_MAX_BYTES = 64 * 1_048_576;
/** Pages of one list: with 1000 items each, far more than a box holds. */
const PAGES_MAX = 1000;

/** What one process said. */
export type Answer<T> =
  | { readonly instance: string; readonly ok: true; readonly value: T }
  | { readonly instance: string; readonly ok: false; readonly failure: Failure };

export interface Failure {
  /** `silent`: no answer in time. `refused`: an answer, whose words are in `message`. */
  readonly kind: 'silent' | 'refused';
  /** HTTP status of a refusal, else 0. */
  readonly status: number;
  readonly message: string;
  readonly remedy: string;
}

/** Names of processes with a socket below `runDir`, live or dead. Throws when it is unreadable. */
export async function findInstances(runDir: string): Promise<string[]> {
  try {
    const names = await readdir(join(runDir, 'admin'));
    return names
      .filter((name) => name.endsWith('.sock'))
      .map((name) => name.slice(0, -'.sock'.length))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Asks every process at once. A failure of one is its own answer, never an exception. */
export function askAll<T>(
  runDir: string,
  instances: readonly string[],
  path: string,
): Promise<Answer<T>[]> {
  return Promise.all(
    instances.map((instance) => capture(instance, () => ask<T>(runDir, instance, path))),
  );
}

/** As `askAll`, with something in the hand. */
export function postAll<T>(
  runDir: string,
  instances: readonly string[],
  path: string,
  type: string,
  bytes: Uint8Array,
): Promise<Answer<T>[]> {
  const body = { type, bytes };
  return Promise.all(
    instances.map((instance) => capture(instance, () => ask<T>(runDir, instance, path, body))),
  );
}

/** As `askAll`, but reads a list to its last page. */
export function askAllPages<T>(
  runDir: string,
  instances: readonly string[],
  path: string,
): Promise<Answer<T[]>[]> {
  return Promise.all(
    instances.map((instance) => capture(instance, () => readPages<T>(runDir, instance, path))),
  );
}

async function readPages<T>(runDir: string, instance: string, path: string): Promise<T[]> {
  const items: T[] = [];
  let query = '';
  for (let pages = 0; pages < PAGES_MAX; pages++) {
    const page = await ask<{ items: T[]; next?: string }>(runDir, instance, path + query);
    items.push(...page.items);
    if (page.next === undefined) break;
    query = `${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(page.next)}`;
  }
  return items;
}

async function capture<T>(instance: string, run: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { instance, ok: true, value: await run() };
  } catch (error) {
    return { instance, ok: false, failure: failureOf(instance, error) };
  }
}

class Refusal extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(status: number, message: string, remedy: string) {
    super(message);
    this.status = status;
    this.remedy = remedy;
  }
}

function failureOf(instance: string, error: unknown): Failure {
  if (error instanceof Refusal) {
    return { kind: 'refused', status: error.status, message: error.message, remedy: error.remedy };
  }
  const { code, name, message } = error as NodeJS.ErrnoException;
  const silent = { kind: 'silent', status: 0 } as const;
  if (name === 'TimeoutError' || name === 'AbortError') {
    return {
      ...silent,
      message: `does not answer within ${ANSWER_TIMEOUT_MS / 1000} s`,
      remedy: `Look at "journalctl -u tidegate@${instance}"`,
    };
  }
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    return {
      ...silent,
      message: 'is not running, and left its socket behind',
      remedy: `Start it with "systemctl start tidegate@${instance}"`,
    };
  }
  if (code === 'EACCES') {
    const remedy = 'Run this as root, or as a member of the group tidegate';
    return { ...silent, message: 'does not let this user ask', remedy };
  }
  return { ...silent, message: `cannot be asked: ${message}`, remedy: 'Try again' };
}

interface Body {
  readonly type: string;
  readonly bytes: Uint8Array;
}

function ask<T>(runDir: string, instance: string, path: string, body?: Body): Promise<T> {
  return new Promise((resolve, reject) => {
    const options = {
      socketPath: join(runDir, 'admin', `${instance}.sock`),
      path,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      agent: false,
      ...(body && { method: 'POST', headers: { 'Content-Type': body.type } }),
    } as const;
    const asked = request(options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > ANSWER_MAX_BYTES) asked.destroy(new Error('The answer is too large'));
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve(read<T>(response.statusCode ?? 0, Buffer.concat(chunks).toString()));
        } catch (error) {
          reject(error);
        }
      });
    });
    asked.on('error', reject);
    asked.end(body?.bytes);
  });
}

function read<T>(status: number, body: string): T {
  const value: unknown = JSON.parse(body);
  if (status === 200) return value as T;
  const { message, remedy } = value as { message?: string; remedy?: string };
  throw new Refusal(status, message ?? `HTTP status ${status}`, remedy ?? 'Try again');
}
