import { type Address, type Family, formatAddress } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import { familiesText } from './candidate.ts';

/** What the user can do about a refusal, as a sentence without its full stop. */
export const remedies = {
  askPerFamily: 'Ask for one address of each family, or set SingleStack',
  askPooled: 'Ask for addresses that one IPAddressPool contains, or add them to a pool',
  notHeadless: 'Remove "clusterIP: None", or make it a Service of type ClusterIP',
  giveFamilies: 'Give the Service two families, or set PreferDualStack or SingleStack',

  askFor(wanted: readonly Family[]): string {
    const what =
      wanted.length === 2 ? 'one IPv4 and one IPv6 address' : `one ${familiesText(wanted)} address`;
    return `Ask for ${what}, or change spec.ipFamilyPolicy`;
  },
  askForPool(name: string): string {
    return `Ask for the pool "${name}", or for no pool`;
  },
  correctPool(name: string): string {
    return `Correct IPAddressPool "${name}", which cannot be used as it is`;
  },
  createPool(name: string): string {
    return `Create an IPAddressPool "${name}", or ask for another`;
  },
  addAddresses(families: readonly Family[], pool: string): string {
    return `Add ${familiesText(families)} addresses to IPAddressPool "${pool}"`;
  },
  addPool(wanted: readonly Family[]): string {
    const addresses = `free ${familiesText(wanted)} addresses that this Service may use`;
    return `Create an IPAddressPool with ${addresses}, or enlarge one`;
  },
  letIn(pool: string): string {
    const there = `spec.serviceAllocation of IPAddressPool "${pool}"`;
    return `Ask for another pool, or let this Service in by ${there}`;
  },
  share(addresses: readonly Address[], users: readonly ObjectKey[]): string {
    const list = [...new Set(users)].sort().slice(0, NAMED_USERS).join(', ');
    const named = addresses.map(formatAddress).join(' or ');
    return (
      `Ask for another address than ${named}, or give this Service and its users (${list}) ` +
      'one metallb.io/allow-shared-ip key, different ports, ' +
      'and equal selectors where externalTrafficPolicy is Local'
    );
  },
};

/** So many users of an address are named in a remedy; all of them are in the API. */
const NAMED_USERS = 5;
