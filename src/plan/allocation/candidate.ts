import { type Address, type Family, familyOf } from '../../domain/address.ts';
import type { ObjectKey } from '../../domain/object.ts';
import type { Protocol, Service } from '../../domain/service.ts';

/** A Service as the one who would use an address: what decides whether it may share it. */
export interface Candidate {
  readonly service: ObjectKey;
  /**
   * Two users of one address must have the same: the sharing key (with its namespace when keys are
   * scoped) and MetalLB's backend key. Empty: shares with nobody.
   */
  readonly sharing: string;
  /** Port codes, each once. */
  readonly ports: readonly number[];
}

export function candidateOf(service: Service, scopeSharingKeys: boolean): Candidate {
  const ports = service.ports.map(({ protocol, port }) => portCode(protocol, port));
  return {
    service: service.key,
    sharing: sharingOf(service, scopeSharingKeys),
    ports: [...new Set(ports)],
  };
}

/** `TCP/80`, as MetalLB's messages write it. */
export function formatPort(code: number): string {
  return `${PROTOCOLS[code >>> 16]}/${code & 0xffff}`;
}

/**
 * The families a Service is to get an address of, primary first; none when it is headless, two only
 * when it has two families and a dual-stack policy.
 */
export function wantedFamilies(service: Service): readonly Family[] {
  if (service.headless) return [];
  return service.ipFamilyPolicy === 'SingleStack' ? service.families.slice(0, 1) : service.families;
}

/** MetalLB's word for a set of families. */
export function familiesText(families: readonly Family[]): string {
  return families.length === 2 ? 'dual' : families[0] === 6 ? 'ipv6' : 'ipv4';
}

/** True when no two of the addresses are of one family. */
export function differInFamily(addresses: readonly Address[]): boolean {
  return new Set(addresses.map(familyOf)).size === addresses.length;
}

/** Older first: by creation, then by key. Who stands first keeps, or is served, first. */
export function compareAge(a: Service, b: Service): number {
  return a.createdMs - b.createdMs || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

function portCode(protocol: Protocol, port: number): number {
  return (PROTOCOLS.indexOf(protocol) << 16) | port;
}

/** Local Services send to the nodes of their own Pods, so they share only with the same Pods. */
function sharingOf(service: Service, scopeSharingKeys: boolean): string {
  if (service.sharingKey === '') return '';
  const scope = scopeSharingKeys ? service.namespace : '';
  const backend = service.externalTrafficPolicy === 'Local' ? service.selector : '';
  return JSON.stringify([scope, service.sharingKey, backend]);
}
