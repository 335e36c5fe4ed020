import type { Clock } from '../../../domain/clock.ts';
import type { ClusterObject } from '../../decode/cluster-object.ts';
import { createLiveness } from '../box/liveness.ts';
import type { ReflectorSink } from '../reflector/reflector-sink.ts';
import type { Memory, RememberedLife } from './remembered.ts';

/** Whether boxes live, for their EdgeNodes. */
export interface BoxLife {
  /** Takes heartbeat Leases. */
  readonly sink: ReflectorSink;
  /** An EdgeNode with what is known of its box. */
  complete(object: ClusterObject): ClusterObject;
  /** As an earlier process saw it. */
  recall(box: string, life: RememberedLife): void;
}

export interface BoxLifeOptions {
  readonly lifetimeMs: number;
  readonly clock: Clock;
  readonly memory: Memory | undefined;
  readonly onChange: (box: string) => void;
}

export function createBoxLife({ lifetimeMs, clock, memory, onChange }: BoxLifeOptions): BoxLife {
  /** Until the first list of Leases. */
  const recalled = new Map<string, RememberedLife>();
  /** Boxes whose life was asked for before that. */
  const unsettled = new Set<string>();
  const liveness = createLiveness({
    lifetimeMs,
    clock,
    wasDead: ({ box, renewTime = '' }) => recalled.get(box) === renewTime,
    onChange({ box, renewTime = '' }, alive) {
      memory?.setLife(box, alive ? 'alive' : renewTime);
      onChange(box);
    },
  });
  return {
    sink: {
      replace(leases) {
        liveness.replace(leases);
        const boxes = [...unsettled];
        recalled.clear();
        unsettled.clear();
        boxes.forEach(onChange);
      },
      apply: liveness.apply,
    },
    complete(object) {
      if (object.kind !== 'EdgeNode') return object;
      const { kind, value } = object;
      const told = liveness.isAlive(value.name);
      if (told === undefined) unsettled.add(value.name);
      const life = recalled.get(value.name);
      const alive = told ?? (life === undefined ? value.alive : life === 'alive');
      return alive === value.alive ? object : { kind, value: { ...value, alive } };
    },
    recall(box, life) {
      recalled.set(box, life);
      // Its EdgeNode may have been recalled before.
      if (unsettled.has(box)) onChange(box);
    },
  };
}
