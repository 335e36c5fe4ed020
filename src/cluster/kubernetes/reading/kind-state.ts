import type { KindState } from '../../../domain/cluster-state.ts';
import type { ReflectorState } from '../reflector/reflector-state.ts';

export interface KindFacts {
  readonly kind: string;
  /** Its definition is surely missing. */
  readonly isMissing: boolean;
  readonly objects: number;
  readonly nowMs: number;
}

/** What a reflector knows of itself, for people and metrics. */
export function kindStateOf(state: ReflectorState, facts: KindFacts): KindState {
  const { synced, failures, lastContactMs, lists, watches, events, garbage } = state;
  return {
    kind: facts.kind,
    installed: synced || !facts.isMissing,
    synced,
    objects: facts.objects,
    contactAgeMs: lastContactMs === undefined ? undefined : facts.nowMs - lastContactMs,
    failures,
    error: state.lastError?.message ?? '',
    ...{ lists, watches, events, garbage },
  };
}

/** Several reflectors of one kind, as one that is as badly off as the worst of them. */
export function worstOf(states: readonly ReflectorState[]): ReflectorState | undefined {
  const [first, ...rest] = states;
  return first && rest.reduce(worse, first);
}

function worse(a: ReflectorState, b: ReflectorState): ReflectorState {
  const isOlder = (b.lastContactMs ?? -1) < (a.lastContactMs ?? -1);
  return {
    synced: a.synced && b.synced,
    lastContactMs: isOlder ? b.lastContactMs : a.lastContactMs,
    resourceVersion: '',
    failures: Math.max(a.failures, b.failures),
    lastError: a.lastError ?? b.lastError,
    lists: a.lists + b.lists,
    watches: a.watches + b.watches,
    events: a.events + b.events,
    garbage: a.garbage + b.garbage,
  };
}
