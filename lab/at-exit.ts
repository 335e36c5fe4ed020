const pending = new Set<() => void>();
let watching = false;

/**
 * Runs `action` when this process ends by itself or by a signal that can be heard (Ctrl-C included),
 * unless the returned function was called before. Must not wait for anything.
 */
export function atExit(action: () => void): () => void {
  pending.add(action);
  watch();
  return () => {
    pending.delete(action);
  };
}

function watch(): void {
  if (watching) return;
  watching = true;
  const runAll = () => {
    for (const action of pending) action();
    pending.clear();
  };
  process.on('exit', runAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      runAll();
      process.kill(process.pid, signal);
    });
  }
}
