import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KubeObject, WatchEvent } from '../../../../src/cluster/kubernetes/kube-object.ts';
import {
  type ReflectorOptions,
  startReflector,
} from '../../../../src/cluster/kubernetes/reflector/reflector.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import type { ModelServer } from './model-server.ts';

export const IDLE_MS = 20_000;

/** A call of the sink. */
export type Call =
  | {
      readonly kind: 'replace';
      readonly resourceVersion: string;
      readonly restored: boolean;
      readonly names: readonly string[];
    }
  | { readonly kind: 'apply'; readonly events: readonly WatchEvent[] };

/** A reflector of a model server under a fake clock, and the world that its sink has. */
export function startFixture(server: ModelServer, more: Partial<ReflectorOptions> = {}) {
  const { clock } = server;
  const log = recordingLog();
  const world = new Map<string, number>();
  const calls: Call[] = [];
  const afterCall: ((call: Call) => void)[] = [];
  const record = (call: Call) => {
    calls.push(call);
    for (const listener of afterCall) listener(call);
  };
  const reflector = startReflector({
    connection: server.connection,
    kind: 'Thing',
    path: '/api/v1/things',
    idleTimeoutMs: IDLE_MS,
    clock,
    log,
    random: () => 0.5,
    sink: {
      replace(objects, resourceVersion, restored) {
        world.clear();
        for (const object of objects) world.set(object.metadata.name, numberOf(object));
        const names = objects.map(({ metadata }) => metadata.name);
        record({ kind: 'replace', resourceVersion, restored, names });
      },
      apply(events) {
        for (const { type, object } of events) {
          if (type === 'DELETED') world.delete(object.metadata.name);
          else world.set(object.metadata.name, numberOf(object));
        }
        record({ kind: 'apply', events });
      },
    },
    ...more,
  });
  return {
    reflector,
    clock,
    log,
    world,
    calls,
    onCall: (listener: (call: Call) => void) => void afterCall.push(listener),
    /** Moves the clock in small steps, so that what a timer begins goes on. */
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        clock.advance(Math.min(STEP_MS, left));
        await settle();
      }
    },
  };
}

const STEP_MS = 500;

/** Lets everything happen that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await nextTurn();
}

export function numberOf(object: KubeObject): number {
  return (object['spec'] as { value: number }).value;
}
