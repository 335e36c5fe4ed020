import type { BgpPeer } from '../../../domain/bgp/bgp-peer.ts';
import type { KindState } from '../../../domain/cluster-state.ts';
import { type ObjectKey, objectKey } from '../../../domain/object.ts';
import type { Problem } from '../../../domain/problem.ts';
import type { ClusterObject } from '../../decode/cluster-object.ts';
import { type Reflector, type ReflectorOptions, startReflector } from '../reflector/reflector.ts';
import { ApiError } from '../transport/api-error.ts';
import type { Trouble } from './contact.ts';
import { createFeed, type Feed, type FeedOptions } from './feed.ts';
import { kindStateOf, worstOf } from './kind-state.ts';

/**
 * The Secrets that BGPPeers refer to, each read by its name, so that the right to read can be given for
 * those names alone. They are nowhere but in the memory of this process. What is wrong with one disturbs
 * nothing else.
 */
export interface Secrets {
  /** An object has come, changed or gone. */
  note(before: ClusterObject | undefined, now: ClusterObject | undefined): void;
  /** Each one referred to has been read, or cannot be at the moment. */
  isSettled(): boolean;
  /** As `Feed.distrust`, and a fresh list; of all. */
  readAgain(): void;
  /** `undefined` when none is referred to. */
  state(): KindState | undefined;
  /** What is wrong with the server; missing rights are problems of the objects. */
  troubles(): readonly Trouble[];
  stop(): Promise<void>;
}

export interface SecretsOptions
  extends Pick<FeedOptions, 'store' | 'breathe' | 'confirm' | 'onRestored'>,
    Pick<ReflectorOptions, 'connection' | 'idleTimeoutMs' | 'clock' | 'log' | 'random'> {
  /** Of the peers. */
  readonly namespace: string;
  /** Of each reflector; the returned function ends it. */
  readonly join: (reflector: Reflector) => () => void;
  readonly onState: () => void;
}

/** Each is a watch of its own. */
export const MAX_SECRETS = 64;

interface Reader {
  readonly feed: Feed;
  readonly reflector: Reflector;
  /** Whatever is under way says nothing any more. */
  silence(): void;
}

export function createSecrets(options: SecretsOptions): Secrets {
  const { namespace, store, clock } = options;
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  /** Names of Secrets, by peer. */
  const references = new Map<ObjectKey, readonly string[]>();
  const readers = new Map<string, Reader>();
  const ending = new Set<Promise<void>>();

  function start(name: string) {
    const { breathe, confirm, onRestored, connection, idleTimeoutMs, log, random } = options;
    let isEnded = false;
    const feed = createFeed({
      ...{ kind: 'Secret', clock, breathe, confirm, onRestored },
      memory: undefined,
      store: {
        put: (before, now) => !isEnded && store.put(before, now),
        tell: (origin, problems) => !isEnded && store.tell(origin, problems),
      },
    });
    const reflector = startReflector({
      ...{ kind: 'Secret', path, connection, idleTimeoutMs, clock, log, random },
      fieldSelector: `metadata.name=${name}`,
      trim: feed.trim,
      sink: feed.sink,
    });
    const leave = options.join(reflector);
    const forget = reflector.onState(({ lastError }) => {
      tellAccess(name, lastError);
      options.onState();
    });
    const silence = () => {
      isEnded = true;
      leave();
      forget();
    };
    readers.set(name, { feed, reflector, silence });
  }

  function end(name: string, { feed, reflector, silence }: Reader) {
    readers.delete(name);
    feed.clear();
    silence();
    const ended = reflector.stop().finally(() => ending.delete(ended));
    ending.add(ended);
    tellAccess(name, undefined);
  }

  function tellAccess(name: string, error: Error | undefined) {
    const problems = isRefused(error) ? [refusal(name, error)] : [];
    store.tell(`access to Secret ${name}`, problems);
  }

  function refusal(name: string, error: Error): Problem {
    const peers = [...references].filter(([, names]) => names.includes(name)).map(([key]) => key);
    return {
      severity: 'error',
      object: { kind: 'Secret', key: objectKey(namespace, name) },
      message: `It cannot be read, and BGPPeer ${peers.join(', ')} needs it: ${error.message}`,
      remedy: `Add ${name} to resourceNames of the Role tidegate-speaker-secrets in ${namespace}`,
    };
  }

  function update() {
    const wanted = new Set([...references.values()].flat());
    for (const [name, reader] of [...readers]) if (!wanted.has(name)) end(name, reader);
    const excess: string[] = [];
    for (const name of wanted) {
      if (readers.has(name)) continue;
      if (readers.size < MAX_SECRETS) start(name);
      else excess.push(name);
    }
    store.tell('number of Secrets', excess.length > 0 ? [tooMany(excess)] : []);
  }

  return {
    note(before, now) {
      if ((now ?? before)?.kind !== 'BGPPeer') return;
      if (before) references.delete(before.value.key);
      if (now?.kind === 'BGPPeer') references.set(now.value.key, secretsOf(now.value));
      update();
    },
    isSettled: () =>
      [...readers.values()].every(({ reflector }) => {
        const { synced, failures } = reflector.state();
        return synced || failures > 0;
      }),
    readAgain() {
      for (const { feed, reflector } of readers.values()) {
        if (!reflector.state().synced) continue;
        feed.distrust();
        // One that fails is made again by the reflector.
        reflector.relist().catch(() => undefined);
      }
    },
    state() {
      const all = [...readers.values()];
      const state = worstOf(all.map(({ reflector }) => reflector.state()));
      const objects = all.reduce((sum, { feed }) => sum + feed.size, 0);
      const nowMs = clock.monotonicMs();
      return state && kindStateOf(state, { kind: 'Secret', isMissing: false, objects, nowMs });
    },
    troubles: () =>
      [...readers.values()].flatMap(({ reflector }) => {
        const { failures, lastError: error } = reflector.state();
        const isTrouble = failures > 0 && error && !isRefused(error);
        return isTrouble ? [{ kind: 'Secret', error }] : [];
      }),
    async stop() {
      await Promise.all([...ending, ...[...readers.values()].map((one) => one.reflector.stop())]);
    },
  };
}

function secretsOf({ password, bfdPasswordSecret }: BgpPeer): string[] {
  return [
    ...(password.kind === 'secret' ? [password.name] : []),
    ...(bfdPasswordSecret === undefined ? [] : [bfdPasswordSecret]),
  ];
}

function isRefused(error: Error | undefined): error is ApiError {
  return error instanceof ApiError && error.status === 403;
}

function tooMany(names: readonly string[]): Problem {
  return {
    severity: 'error',
    message: `BGPPeers refer to more than ${MAX_SECRETS} Secrets; not read: ${names.join(', ')}`,
    remedy: 'Let several peers have the same Secret',
  };
}
