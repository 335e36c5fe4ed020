import {
  type Address,
  formatAddress,
  isUnusableAsVip,
  parseAddress,
} from '../../domain/address.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { VipServing } from '../../domain/observed.ts';
import type { Service } from '../../domain/service.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { matchesAny } from './by-pool.ts';
import type { Field } from './field.ts';
import { forwarderReason, liveHolders } from './holders.ts';
import { ownerOf } from './owner.ts';
import type { WithholdReason } from './reasons.ts';
import type { Rule } from './rules.ts';
import { sameList } from './same-list.ts';

/** Whether this box should tell the network that an address lives here. */
export interface PlannedAnnouncement {
  readonly address: Address;
  readonly announce: boolean;
  /** Empty when announced. */
  readonly reason: WithholdReason;
  /** Services that hold the address, sorted; several share it. */
  readonly services: readonly ObjectKey[];
  /** Names of the interfaces that advertisements allow; `undefined`: all of the settings. */
  readonly interfaces: readonly string[] | undefined;
  /** The box that is chosen for it; empty when no box is known to be at work. */
  readonly owner: string;
  /** Keys of the advertisements by which this box may announce it, sorted. */
  readonly advertisements: readonly ObjectKey[];
}

/** `field` is absent before the cluster was read: then the forwarder's report alone decides. */
export function planAddress(
  text: string,
  services: readonly ObjectKey[] | undefined,
  serving: KeyedMap<VipServing>,
  field: Field | undefined,
): PlannedAnnouncement | undefined {
  const address = parseAddress(text);
  if (!services || address === undefined) return undefined;
  const base = { address, services };
  const decide = (reason: WithholdReason, by: Partial<PlannedAnnouncement> = {}) => ({
    ...base,
    announce: reason === '',
    reason,
    interfaces: undefined,
    owner: '',
    advertisements: [],
    ...by,
  });
  if (isUnusableAsVip(address)) return decide('invalidIP');
  if (!field) return decide(forwarderReason(text, serving));

  const live = liveHolders(services, field.snapshot);
  if (live.length === 0) return decide('serviceDeleted');
  const { rules, refused } = rulesOfHolders(address, live, field);
  const { self, all } = field.boxes;
  const owner = ownerOf(text, electionText(live, field.snapshot), rules, all);
  const mine = rules.filter(({ weights }) => weights.has(self.name));
  if (mine.length === 0) return decide(refused || 'noMatchingAdvertisement', { owner });
  const reason =
    self.obstacle ||
    forwarderReason(text, serving) ||
    // Nobody is known to be at work: better twice than not at all.
    (owner === '' || owner === self.name ? '' : 'notOwner');
  return decide(reason, {
    owner,
    interfaces: interfacesOf(mine),
    advertisements: mine.map(({ key }) => key).filter((key) => key !== ''),
  });
}

/**
 * The rules for an address, of all Services that hold it. As in MetalLB, a Service that may share its
 * address is not announced when any of its rules selects Services; `refused` says so then.
 */
function rulesOfHolders(
  address: Address,
  holders: readonly Service[],
  { rules, snapshot }: Field,
): { rules: readonly Rule[]; refused: WithholdReason } {
  const found = new Set<Rule>();
  let refused = '';
  for (const { key, labels, sharingKey } of holders) {
    const own = rules
      .rulesFor(address, snapshot.statuses.get(key)?.pool ?? '')
      .filter(({ serviceSelectors }) => matchesAny(serviceSelectors, labels));
    const selective = own.some(({ serviceSelectors }) => serviceSelectors.length > 0);
    if (sharingKey !== '' && selective) refused = 'sharedIPWithServiceSelector';
    else for (const rule of own) found.add(rule);
  }
  return { rules: [...found].sort((a, b) => (a.key < b.key ? -1 : 1)), refused };
}

/** What the owner is chosen by: the first address of the first Service. */
function electionText([first]: readonly Service[], { statuses }: Snapshot): string {
  const address = first && statuses.get(first.key)?.addresses[0];
  return address === undefined ? '' : formatAddress(address);
}

function interfacesOf(rules: readonly Rule[]): readonly string[] | undefined {
  const names = new Set<string>();
  for (const { interfaces } of rules) {
    if (!interfaces) return undefined;
    for (const name of interfaces) names.add(name);
  }
  return [...names].sort();
}

export function samePlan(a: PlannedAnnouncement, b: PlannedAnnouncement): boolean {
  return (
    a.reason === b.reason &&
    a.owner === b.owner &&
    sameList(a.services, b.services) &&
    sameInterfaces(a.interfaces, b.interfaces) &&
    sameList(a.advertisements, b.advertisements)
  );
}

type Interfaces = PlannedAnnouncement['interfaces'];

function sameInterfaces(a: Interfaces, b: Interfaces): boolean {
  return a === undefined || b === undefined ? a === b : sameList(a, b);
}
