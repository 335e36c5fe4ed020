import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import type { ApiConnection } from '../../../../src/cluster/kubernetes/transport/connection.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

/** What goes wrong with the next request. */
export type Fault =
  | 'refused'
  | 'hangs'
  | 'is answered 500'
  | 'is answered 429'
  | 'is answered 410'
  | 'is a web page'
  | 'breaks off'
  | 'ends early'
  | 'is of another kind'
  | 'lacks metadata';

/** How a watch that is open goes wrong. */
export type Break = 'ends' | 'breaks' | 'half a line' | 'garbage' | 'expired' | 'error' | 'freezes';

interface Change {
  readonly revision: number;
  readonly key: string;
  /** Undefined: deleted. */
  readonly value: number | undefined;
}

/** Key to value, as it was at a revision. */
export type World = ReadonlyMap<string, number>;

interface OpenWatch {
  reached: number;
  frozen: boolean;
  send(text: string): void;
  end(error?: Error): void;
}

/** Items of a page, so that small worlds have several. */
const PAGE = 3;

/**
 * An API server in a few lines: one kind, revisions, pages that show one moment, watches, compaction,
 * and a past that it can be taken back to. Answers are cut into pieces of `pieceBytes`. Its clock is the reflector's.
 */
export function createModelServer(pieceBytes: () => number = () => 1_000_000) {
  const clock = fakeClock();
  let changes: Change[] = [];
  let revision = 1;
  let compacted = 0;
  let isDown = false;
  let faults: Fault[] = [];
  const watches = new Set<OpenWatch>();
  const requests: ApiRequest[] = [];
  let streaming: 'works' | 'is refused' | 'fails' | 'is ignored' = 'works';
  let inFlight = 0;
  let maxInFlight = 0;

  function worldAt(at: number): World {
    const world = new Map<string, number>();
    for (const { revision: when, key, value } of changes) {
      if (when > at) break;
      if (value === undefined) world.delete(key);
      else world.set(key, value);
    }
    return world;
  }

  function change(key: string, value: number | undefined) {
    revision += 1;
    changes.push({ revision, key, value });
    for (const watch of watches) deliver(watch);
  }

  function deliver(watch: OpenWatch) {
    if (watch.frozen) return;
    let text = '';
    for (const { revision: at, key, value } of changes) {
      if (at <= watch.reached) continue;
      const before = worldAt(at - 1);
      const type = value === undefined ? 'DELETED' : before.has(key) ? 'MODIFIED' : 'ADDED';
      text += `${JSON.stringify({ type, object: objectOf(key, value ?? before.get(key) ?? 0, at) })}\n`;
      watch.reached = at;
    }
    if (text !== '') watch.send(text);
  }

  function listText(query: Readonly<Record<string, string>>): string {
    const [at, from] = (query['continue'] ?? `${revision}/0`).split('/').map(Number) as [
      number,
      number,
    ];
    if (at < compacted) throw answered(410, 'Expired');
    const all = [...worldAt(at)].sort();
    const size = Math.min(PAGE, Number(query['limit']));
    const items = all
      .slice(from, from + size)
      .map(([key, value]) => objectOf(key, value, lastChange(key, at)));
    const more = from + size < all.length;
    return JSON.stringify({
      apiVersion: 'v1',
      items,
      kind: 'ThingList',
      metadata: {
        // Pages show the moment of the first, whatever they say.
        resourceVersion: String(from === 0 ? at : revision),
        ...(more ? { continue: `${at}/${from + size}` } : {}),
      },
    });
  }

  function lastChange(key: string, at: number): number {
    return changes.findLast((one) => one.key === key && one.revision <= at)?.revision ?? 0;
  }

  function openWatch({ query = {} }: ApiRequest, stream: Stream): void {
    const from = Number(query['resourceVersion'] ?? 0);
    const initial = query['sendInitialEvents'] === 'true';
    if (initial && streaming === 'is refused') throw answered(422, 'Invalid');
    if (!initial && from < compacted) throw answered(410, 'Expired');
    const watch: OpenWatch = { reached: from, frozen: false, ...stream };
    if (initial && streaming === 'fails') {
      watch.send(errorLine(500, 'InternalError'));
      watch.end();
      return;
    }
    if (initial) {
      for (const [key, value] of worldAt(revision)) {
        const object = objectOf(key, value, lastChange(key, revision));
        watch.send(`${JSON.stringify({ type: 'ADDED', object })}\n`);
      }
      watch.reached = revision;
      if (streaming === 'is ignored') watch.end();
      else watch.send(bookmark(revision, true));
    }
    watches.add(watch);
    stream.whenDone(() => watches.delete(watch));
    clock.after(Number(query['timeoutSeconds']) * 1_000, () => {
      if (!watch.frozen) watch.end();
    });
    deliver(watch);
  }

  async function open(request: ApiRequest): Promise<AsyncIterable<Uint8Array>> {
    requests.push(request);
    const fault = faults.shift();
    if (isDown || fault === 'refused') throw noAnswer('ConnectionRefused');
    if (fault === 'hangs') return new Promise(() => {});
    if (fault === 'is answered 500') throw answered(500, 'InternalError');
    if (fault === 'is answered 429') throw answered(429, 'TooManyRequests', 1_000);
    if (fault === 'is answered 410') throw answered(410, 'Expired');
    const stream = createStream(request, pieceBytes);
    inFlight += 1;
    maxInFlight = Math.max(maxInFlight, inFlight);
    stream.whenDone(() => {
      inFlight -= 1;
    });
    if (request.query?.['watch'] === 'true' && fault === undefined) {
      openWatch(request, stream);
      return stream;
    }
    const text = listText({ limit: '500', ...request.query });
    stream.send(spoil(text, fault));
    stream.end(fault === 'breaks off' ? noAnswer('ConnectionLost') : undefined);
    return stream;
  }

  const connection: ApiConnection = {
    server: 'https://model',
    request: async () => {
      throw new Error('Not asked for');
    },
    stream: open,
    close: async () => {},
  };

  return {
    clock,
    connection,
    requests,
    world: () => worldAt(revision),
    worldAt,
    revision: () => revision,
    openWatches: () => watches.size,
    maxInFlight: () => maxInFlight,
    set: (key: string, value: number) => change(key, value),
    remove(key: string) {
      if (worldAt(revision).has(key)) change(key, undefined);
    },
    /** The next requests go wrong, one after another. */
    fail: (...next: readonly Fault[]) => void faults.push(...next),
    heal() {
      faults = [];
      isDown = false;
    },
    setDown(down: boolean) {
      isDown = down;
      if (down) for (const watch of [...watches]) watch.end(noAnswer('ConnectionLost'));
    },
    setStreaming(how: typeof streaming) {
      streaming = how;
    },
    /** Sends all watches a bookmark, or any text. */
    bookmark(at = revision) {
      for (const watch of watches) if (!watch.frozen) watch.send(bookmark(at, false));
    },
    say(text: string) {
      for (const watch of watches) watch.send(text);
    },
    /** Forgets the past: who watches from before must list. */
    compact() {
      compacted = revision;
    },
    /** Is as it was at an earlier revision, and counts on from there. */
    restore(at: number, watchesEnd = true) {
      changes = changes.filter(({ revision: when }) => when <= at);
      revision = at;
      compacted = Math.min(compacted, at);
      if (watchesEnd) for (const watch of [...watches]) watch.end();
    },
    break(how: Break) {
      for (const watch of [...watches]) {
        if (how === 'freezes') {
          watch.frozen = true;
          continue;
        }
        if (how === 'half a line') watch.send('{"type":"MODIFIED","obj');
        if (how === 'garbage') watch.send('<html>502</html>\n');
        if (how === 'expired') watch.send(errorLine(410, 'Expired'));
        if (how === 'error') watch.send(errorLine(500, 'InternalError'));
        watch.end(how === 'breaks' ? noAnswer('ConnectionLost') : undefined);
      }
    },
  };
}

export type ModelServer = ReturnType<typeof createModelServer>;

/** `value` stands in a label that is not ASCII, so that characters are cut, too. */
function objectOf(key: string, value: number, revision: number) {
  return {
    kind: 'Thing',
    apiVersion: 'v1',
    metadata: {
      name: key,
      namespace: 'default',
      uid: `uid-${key}`,
      resourceVersion: String(revision),
      annotations: { note: 'Grüße, "世界" {[]}\\' },
    },
    spec: { value },
  };
}

function bookmark(revision: number, endsInitial: boolean): string {
  const annotations = endsInitial ? { 'k8s.io/initial-events-end': 'true' } : {};
  const metadata = { resourceVersion: String(revision), annotations };
  return `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Thing', metadata } })}\n`;
}

function errorLine(code: number, reason: string): string {
  const object = { kind: 'Status', code, reason, message: `answered ${code}` };
  return `${JSON.stringify({ type: 'ERROR', object })}\n`;
}

function spoil(text: string, fault: Fault | undefined): string {
  if (fault === 'is a web page') return '<html><body>Log in, please</body></html>';
  if (fault === 'breaks off' || fault === 'ends early') {
    return text.slice(0, Math.floor(text.length * 0.6));
  }
  if (fault === 'is of another kind') return text.replace('ThingList', 'OtherList');
  if (fault === 'lacks metadata') return text.replace(/"resourceVersion":"\d+"/g, '"x":1');
  return text;
}

function answered(status: number, reason: string, retryAfterMs?: number): ApiError {
  return new ApiError(`answered ${status}`, { status, reason, retryAfterMs });
}

function noAnswer(reason: string): ApiError {
  return new ApiError(reason, { status: 0, reason });
}

type Stream = ReturnType<typeof createStream>;

/** A body that is written piece by piece, and broken off by the request's signal. */
function createStream({ signal }: ApiRequest, pieceBytes: () => number) {
  const queue: Uint8Array[] = [];
  let ending: { error: Error | undefined } | undefined;
  let wake = () => {};
  const doneCalls: (() => void)[] = [];
  signal?.addEventListener('abort', () => end(noAnswer('Aborted')));
  if (signal?.aborted) throw noAnswer('Aborted');

  function end(error?: Error) {
    if (ending !== undefined) return;
    ending = { error };
    for (const call of doneCalls) call();
    wake();
  }

  return {
    send(text: string) {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) {
        const size = Math.max(1, pieceBytes());
        queue.push(bytes.subarray(at, at + size));
        at += size;
      }
      wake();
    },
    end,
    whenDone(call: () => void) {
      if (ending === undefined) doneCalls.push(call);
      else call();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const piece = queue.shift();
        if (piece !== undefined) yield piece;
        else if (ending?.error) throw ending.error;
        else if (ending) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    },
  };
}
