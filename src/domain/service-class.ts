import type { Service } from './service.ts';

/** Which Services are ours by `spec.loadBalancerClass`. */
export interface LoadBalancerClass {
  /** For example `tidegate.io/tidegate`. */
  readonly class: string;
  /** Also serve Services that name no class. */
  readonly handleUnclassed: boolean;
}

/** True when the Service is of type LoadBalancer and its class is ours; others are not looked at. */
export function isOurs(service: Service, ours: LoadBalancerClass): boolean {
  if (service.type !== 'LoadBalancer') return false;
  return service.loadBalancerClass === undefined
    ? ours.handleUnclassed
    : service.loadBalancerClass === ours.class;
}
