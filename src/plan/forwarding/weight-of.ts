import { type Address, formatAddress } from '../../domain/address.ts';
import type { Node } from '../../domain/node.ts';
import type { Pod } from '../../domain/pod.ts';
import type { Service } from '../../domain/service.ts';

/** Weight of a backend for which nobody says another. */
const WEIGHT_DEFAULT = 1;

/** Who may say the weight of a backend. */
export interface Weighed {
  readonly address: Address;
  readonly pod: Pod | undefined;
  readonly node: Node | undefined;
  /** Names, also of a Pod or Node whose object is not there. */
  readonly podName: string | undefined;
  readonly nodeName: string | undefined;
}

/**
 * A backend's weight: the Service's annotation by address, Pod name or Node name (the narrowest
 * counts), else the Pod's label, else its Node's.
 */
export function weightOf({ weights }: Pick<Service, 'weights'>, weighed: Weighed): number {
  const names = weights.size === 0 ? [] : namesOf(weighed);
  const [annotated] = names.flatMap((name) => weights.get(name) ?? []);
  return annotated ?? weighed.pod?.weight ?? weighed.node?.weight ?? WEIGHT_DEFAULT;
}

/** By which names `tidegate.io/weights` can mean this backend, narrowest first. */
export function namesOf({ address, podName, nodeName }: Omit<Weighed, 'pod' | 'node'>): string[] {
  const names = [formatAddress(address), podName, nodeName];
  return names.filter((name) => name !== undefined);
}
