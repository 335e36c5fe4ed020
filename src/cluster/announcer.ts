/** Runs work once at the end of a turn of the event loop, and tells listeners in a later one. */
export interface Announcer<T> {
  subscribe(listener: (news: T) => void): () => void;
  /** Tells the newest `news` in a later turn; what was not told yet is not told any more. */
  announce(news: T): void;
}

export function createAnnouncer<T>(): Announcer<T> {
  const listeners = new Set<(news: T) => void>();
  let waiting: { readonly news: T } | undefined;

  function tell() {
    const told = waiting;
    waiting = undefined;
    if (told) for (const listener of [...listeners]) listener(told.news);
  }

  return {
    subscribe(listener) {
      // A function of its own, so that the same listener may subscribe twice.
      const entry = (news: T) => listener(news);
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    announce(news) {
      if (waiting === undefined) setImmediate(tell);
      waiting = { news };
    },
  };
}
