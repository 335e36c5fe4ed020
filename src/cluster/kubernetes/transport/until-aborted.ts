/**
 * What the promise gives, or rejection with the signal's reason as soon as it is aborted, so that
 * nobody waits for what does not heed its signal.
 */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    const done = () => signal.removeEventListener('abort', abort);
    promise.then(resolve, reject).finally(done);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
