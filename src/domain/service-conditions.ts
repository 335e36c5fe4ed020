/** It has its addresses, or why not. */
export const ALLOCATED = 'tidegate.io/Allocated';
/** The forwarding core has usable backends for each address. */
export const SERVING = 'tidegate.io/Serving';
/** Each address is announced to the network. */
export const ANNOUNCED = 'tidegate.io/Announced';
/** Kubernetes' own (KEP-1435): some port is not served. */
export const PORTS_ERROR = 'LoadBalancerPortsError';

/** True for a condition that whoever serves a Service may write; all others are somebody else's. */
export function isOurCondition(type: string): boolean {
  return OURS.has(type);
}

const OURS: ReadonlySet<string> = new Set([ALLOCATED, SERVING, ANNOUNCED, PORTS_ERROR]);

/** meta/v1: the reason of a condition is one word; not all reasons of events are. */
export function conditionReason(reason: string, otherwise: string): string {
  return /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/.test(reason) ? reason : otherwise;
}
