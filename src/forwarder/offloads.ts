import type { Link } from '../protocol/rtnetlink/link.ts';
import type { Feature } from '../system/ethtool.ts';

/** Reads the offloads of an interface by name. */
export type ReadFeatures = (interfaceName: string) => ReadonlyMap<string, Feature>;

interface Offload {
  /** The kernel's name, and what `ethtool -K` calls it. */
  readonly feature: string;
  readonly option: string;
  readonly why: string;
}

/** They glue packets together: larger than the MTU they do not fit the way out, and are lost. */
const GLUING: readonly Offload[] = [
  { feature: 'rx-lro', option: 'lro', why: 'merges packets before XDP sees them' },
  { feature: 'rx-gro-hw', option: 'rx-gro-hw', why: 'merges packets before XDP sees them' },
];

/** They matter where VLAN devices exist: their packets would look untagged. */
const UNTAGGING: readonly Offload[] = [
  { feature: 'rx-vlan-hw-parse', option: 'rxvlan', why: 'takes VLAN tags off before XDP' },
  {
    feature: 'rx-vlan-stag-hw-parse',
    option: 'rx-vlan-stag-hw-parse',
    why: 'takes 802.1ad tags off before XDP',
  },
];

/**
 * Receive offloads of a port that hide from XDP what is on the wire: a sentence with the remedy for
 * each. An interface whose offloads cannot be read has none that we know of.
 */
export function hidingOffloads(
  { name, ifindex }: Pick<Link, 'name' | 'ifindex'>,
  links: Iterable<Link>,
  read: ReadFeatures,
): readonly string[] {
  let features: ReadonlyMap<string, Feature>;
  try {
    features = read(name);
  } catch {
    return [];
  }
  const hasVlans = [...links].some((link) => link.vlan !== undefined && link.parent === ifindex);
  return (hasVlans ? [...GLUING, ...UNTAGGING] : GLUING)
    .filter(({ feature }) => features.get(feature)?.active)
    .map((offload) => sentence(name, offload, features.get(offload.feature)?.fixed ?? false));
}

function sentence(name: string, { feature, option, why }: Offload, fixed: boolean): string {
  const problem = `Interface "${name}" has ${feature} on, which ${why}`;
  if (fixed) return `${problem}; its driver does not let it be turned off: use another interface`;
  return `${problem}; turn it off: ethtool -K ${name} ${option} off`;
}
