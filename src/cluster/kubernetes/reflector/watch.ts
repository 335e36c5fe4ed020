import type { WatchEvent } from '../kube-object.ts';
import { type Link, readAnswer } from './answer-reader.ts';
import { garbage } from './garbage.ts';
import type { KindReader } from './kind-reader.ts';
import { createLineSplitter } from './lines.ts';
import { isOlder } from './resource-version.ts';

/** What one piece of a watch brought. */
export interface WatchBatch {
  readonly events: readonly WatchEvent[];
  /** Up to where the kind is known with these. */
  readonly resourceVersion: string;
}

export interface WatchListener {
  /** The server has begun the watch. */
  open(): void;
  batch(batch: WatchBatch): void;
}

/** Of the idle time-out: the server ends a silent watch before we would think that it is dead. */
const WATCH_SHARE = 0.75;

/** How long a watch is asked to last, ms. */
export function watchDurationMs({ idleTimeoutMs }: Link): number {
  return Math.max(1, Math.floor((idleTimeoutMs * WATCH_SHARE) / 1_000)) * 1_000;
}

/**
 * Watches from a resourceVersion on, until the server ends it. Rejects with ApiError: status 410
 * when the server does not know that version any more. What a piece brought before something wrong
 * in it has been handed over.
 */
export async function watchFrom(
  resourceVersion: string,
  link: Link,
  reader: KindReader,
  signal: AbortSignal,
  on: WatchListener,
): Promise<void> {
  const lines = createLineSplitter();
  let reached = resourceVersion;

  function advance(to: string) {
    // In one history a watch goes forward only: this is another server's, or another time's.
    if (isOlder(to, reached)) {
      throw garbage(`${link.path}: the watch went back from ${reached} to ${to}`);
    }
    reached = to;
  }

  function take(piece: Uint8Array) {
    const events: WatchEvent[] = [];
    let messages = 0;
    try {
      lines.push(piece, (line) => {
        const message = reader.line(line);
        if (message.kind === 'bookmark') advance(message.resourceVersion);
        else {
          advance(message.event.object.metadata.resourceVersion);
          events.push(message.event);
        }
        messages += 1;
      });
    } finally {
      if (messages > 0) on.batch({ events, resourceVersion: reached });
    }
  }

  const query = {
    watch: 'true',
    resourceVersion,
    allowWatchBookmarks: 'true',
    timeoutSeconds: String(watchDurationMs(link) / 1_000),
  };
  const onPiece = (piece: Uint8Array) => {
    take(piece);
    return 'more' as const;
  };
  await readAnswer(link, query, signal, onPiece, () => on.open());
  if (lines.isInside()) throw garbage(`${link.path}: the watch ended within a line`);
}
