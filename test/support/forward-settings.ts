import type { ForwardSettings } from '../../src/plan/forwarding/forward-settings.ts';
import { TCP_CHECK } from './objects.ts';

/** Packets go to Pods, by rings, whose health nobody checks. */
export function forwardSettings(fields: Partial<ForwardSettings> = {}): ForwardSettings {
  return {
    loadBalancer: { class: 'tidegate.io/tidegate', handleUnclassed: true },
    target: 'pod',
    health: { ...TCP_CHECK, kind: 'none' },
    healthFallback: 'fail-open',
    nodeHealth: 'off',
    place: undefined,
    scheduler: 'maglev',
    deadBackends: 'leave',
    clientNewFlowsPerSec: 0,
    ...fields,
  };
}
