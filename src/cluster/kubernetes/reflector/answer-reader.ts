import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../../../domain/clock.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { untilAborted } from '../transport/until-aborted.ts';

/** How one kind is read from its server. */
export interface Link {
  readonly connection: ApiConnection;
  readonly path: string;
  /** Selectors; part of each query. */
  readonly selectors: Readonly<Record<string, string>>;
  /** A link without any sign for so long is dead, ms. */
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
}

/** What is there already is taken for so long before the event loop turns, ms. */
const TURN_MS = 5;
/** Taken at once, at most: while nobody reads, megabytes gather in one piece. */
const PART_BYTES = 65_536;

/**
 * Reads one answer while it arrives, until it ends or `onPiece` says `enough`. `onHead` is called when
 * the server begins to answer. Rejects with ApiError, with what `onPiece` throws, or with the
 * signal's reason, at once and whatever the connection does.
 */
export async function readAnswer(
  link: Link,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
  onPiece: (piece: Uint8Array) => 'more' | 'enough',
  onHead: () => void = () => {},
): Promise<void> {
  const { connection, path, idleTimeoutMs, clock } = link;
  signal.throwIfAborted();
  const attempt = new AbortController();
  const abort = () => attempt.abort(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  const armIdle = () => clock.after(idleTimeoutMs, () => attempt.abort(deadLink(link)));
  let disarmIdle = armIdle();
  let pieces: AsyncIterator<Uint8Array> | undefined;
  try {
    const asked = connection.stream({
      method: 'GET',
      path,
      query: { ...link.selectors, ...query },
      signal: attempt.signal,
      timeoutMs: idleTimeoutMs,
    });
    pieces = (await untilAborted(asked, attempt.signal))[Symbol.asyncIterator]();
    onHead();
    let turnedMs = clock.monotonicMs();
    for (;;) {
      const next = await untilAborted(pieces.next(), attempt.signal);
      if (next.done) return;
      disarmIdle();
      disarmIdle = armIdle();
      for (let at = 0; at < next.value.length; at += PART_BYTES) {
        if (onPiece(next.value.subarray(at, at + PART_BYTES)) === 'enough') return;
        if (clock.monotonicMs() - turnedMs < TURN_MS) continue;
        await nextTurn();
        attempt.signal.throwIfAborted();
        turnedMs = clock.monotonicMs();
      }
    }
  } finally {
    disarmIdle();
    signal.removeEventListener('abort', abort);
    pieces?.return?.().catch(() => undefined);
    attempt.abort(new ApiError('Read to the end', { status: 0, reason: 'Aborted' }));
  }
}

function deadLink({ connection, path, idleTimeoutMs }: Link): ApiError {
  const message =
    `GET ${connection.server}${path}: no sign of life for ${idleTimeoutMs} ms; ` +
    'check the network between this box and the API server';
  return new ApiError(message, { status: 0, reason: 'Timeout' });
}
