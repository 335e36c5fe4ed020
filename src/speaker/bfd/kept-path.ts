import type { Clock } from '../../domain/clock.ts';
import type { PathOrder } from './order.ts';
import { openPath, type Path, type PathDeps } from './path.ts';

/** The sockets of a session, opened again and again while something is in their way. */
export interface KeptPath {
  /** False when it could not be sent; the obstacle says why. */
  send(bytes: Uint8Array): boolean;
  receivePending(): void;
  /** 0 when it has no interface, or none now. */
  ifindex(): number;
  /** Why nothing can be sent or received now; empty: nothing. */
  obstacle(): string;
  /** For good. */
  close(): void;
}

/** Between two attempts. */
const REOPEN_MS = 1000;

/**
 * An interface that went away, was made anew or lost its address shows itself by an error of sending:
 * something is sent once a second at least. `onObstacle` is called when there is another one, or none any
 * more; what is in the way from the start is seen by `obstacle`.
 */
export function keepPath(
  order: PathOrder,
  deps: PathDeps & { readonly clock: Clock },
  onObstacle: () => void,
): KeptPath {
  let path: Path | undefined;
  let sourcePort: number | undefined;
  let obstacle = '';
  let cancelRetry: (() => void) | undefined;
  let silent = true;

  function open(): void {
    const wasOpen = path !== undefined;
    cancelRetry = undefined;
    path?.close();
    path = undefined;
    try {
      path = openPath(order, deps, sourcePort);
      sourcePort = path.sourcePort;
      // After an error of sending, only sending shows that it is over.
      if (!wasOpen) become('');
    } catch (error) {
      fail(error);
    }
  }

  function fail(error: unknown): void {
    cancelRetry ??= deps.clock.after(REOPEN_MS, open);
    become((error as Error).message);
  }

  function become(now: string): void {
    if (now === obstacle) return;
    obstacle = now;
    if (!silent) onObstacle();
  }

  open();
  silent = false;
  return {
    send(bytes) {
      if (!path) return false;
      try {
        path.send(bytes);
      } catch (error) {
        fail(error);
        return false;
      }
      if (obstacle !== '') {
        cancelRetry?.();
        cancelRetry = undefined;
        become('');
      }
      return true;
    },
    receivePending: () => path?.receivePending(),
    ifindex: () => path?.ifindex ?? 0,
    obstacle: () => obstacle,
    close() {
      silent = true;
      cancelRetry?.();
      path?.close();
      path = undefined;
    },
  };
}
