import { type Family, familyOf, parseAddress } from '../../domain/address.ts';
import { type Prefix, parsePrefix } from '../../domain/prefix.ts';
import type { Protocol, Service, ServicePort } from '../../domain/service.ts';
import { readServiceAnnotations } from './annotations.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  flag,
  integer,
  isAbsent,
  items,
  type Locate,
  oneOf,
  optionalText,
  parsed,
  quote,
  section,
  text,
} from './field.ts';
import { readLabels, readMeta } from './meta.ts';

const MAX_PORTS = 1000;
const MAX_SOURCE_RANGES = 10_000;
const MAX_FAMILIES = 2;
/** Kubernetes' default for `sessionAffinityConfig.clientIP.timeoutSeconds`, and its limit. */
const AFFINITY_TIMEOUT_SEC = 10_800;
const MAX_AFFINITY_TIMEOUT_SEC = 86_400;

export const PROTOCOLS = ['TCP', 'UDP', 'SCTP'] as const satisfies readonly Protocol[];

type Policy = Service['ipFamilyPolicy'];

/** Reads a core/v1 Service. `status` is not looked at. */
export function decodeService(value: unknown, locate?: Locate): Decoded<Service> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Service', namespaced: true, name: 'label' });
    const spec = section(root, 'spec');
    if (isAbsent(spec)) fail(spec, 'The Service has no spec', 'Write its type, selector and ports');
    const type = oneOf(
      child(spec, 'type'),
      ['LoadBalancer', 'NodePort', 'ClusterIP', 'ExternalName'] as const,
      'ClusterIP',
    );
    const { families, policy, headless } = readFamilies(spec);
    return {
      ...meta,
      type,
      loadBalancerClass: optionalText(child(spec, 'loadBalancerClass')),
      headless,
      families,
      ipFamilyPolicy: policy,
      ports: readPorts(spec, type === 'ExternalName' || headless),
      selector: readSelectorText(child(spec, 'selector')),
      externalTrafficPolicy: oneOf(
        child(spec, 'externalTrafficPolicy'),
        ['Cluster', 'Local'] as const,
        'Cluster',
      ),
      healthCheckNodePort: integer(child(spec, 'healthCheckNodePort'), 0, 65535, 0),
      affinityTimeoutSec: readAffinity(spec),
      publishNotReadyAddresses: flag(child(spec, 'publishNotReadyAddresses'), false),
      sourceRanges: items(child(spec, 'loadBalancerSourceRanges'), MAX_SOURCE_RANGES).flatMap(
        readSourceRange,
      ),
      ...readServiceAnnotations(root),
    };
  });
}

/**
 * The families, primary first, as the API server would have settled them: by the cluster IPs it gave,
 * else by `ipFamilies`, completed to both where the policy asks for both.
 */
function readFamilies(spec: Field): { families: Family[]; policy: Policy; headless: boolean } {
  const clusterIPs = child(spec, 'clusterIPs');
  const listed = items(clusterIPs, MAX_FAMILIES);
  const given = listed.length > 0 ? listed : [child(spec, 'clusterIP')];
  const headless = given.some(({ value }) => value === 'None');
  const byAddress = headless ? [] : given.flatMap(readClusterIP);
  const list = child(spec, 'ipFamilies');
  const byName = items(list, MAX_FAMILIES).map((item) =>
    oneOf(item, ['IPv4', 'IPv6'] as const, 'IPv4') === 'IPv6' ? 6 : 4,
  );
  refuseRepeated(clusterIPs, byAddress);
  refuseRepeated(list, byName);
  const both = byAddress.length === 2 || byName.length === 2;
  const policyField = child(spec, 'ipFamilyPolicy');
  const policy = oneOf<Policy>(
    policyField,
    ['SingleStack', 'PreferDualStack', 'RequireDualStack'],
    both ? 'RequireDualStack' : 'SingleStack',
  );
  if (both && policy === 'SingleStack') {
    const remedy = 'Use PreferDualStack or RequireDualStack, or name one family';
    fail(policyField, 'SingleStack allows one IP family, two are named', remedy);
  }
  if (byAddress.length > 0) return { families: byAddress, policy, headless };
  const primary = byName[0] ?? 4;
  const families: Family[] =
    policy === 'SingleStack' ? [primary] : [primary, primary === 4 ? 6 : 4];
  return { families, policy, headless };
}

function readClusterIP(field: Field): Family[] {
  if (isAbsent(field) || field.value === '') return [];
  const remedy = 'Remove it, or write an address or None';
  const address = parsed(field, parseAddress, 'an IP address', remedy);
  return address === undefined ? [] : [familyOf(address)];
}

function refuseRepeated(field: Field, families: readonly Family[]) {
  if (families.length === 2 && families[0] === families[1])
    fail(field, 'Both entries are of the same IP family', 'Name each family once');
}

function readPorts(spec: Field, mayBeEmpty: boolean): ServicePort[] {
  const list = child(spec, 'ports');
  const fields = items(list, MAX_PORTS);
  if (fields.length === 0 && !mayBeEmpty)
    fail(list, 'The Service has no ports', 'List at least one port');
  const ports = fields.map(readPort);
  if (ports.length > 1) {
    for (const [index, { name }] of ports.entries()) {
      const field = fields[index];
      if (name === '' && field)
        fail(child(field, 'name'), 'One of several ports has no name', 'Name each port');
    }
  }
  refuseTwins(fields, ports, 'name', ({ name }) => name);
  refuseTwins(fields, ports, 'port', ({ protocol, port }) => `${protocol} port ${port}`);
  refuseTwins(fields, ports, 'nodePort', ({ protocol, nodePort }) =>
    nodePort === 0 ? '' : `${protocol} node port ${nodePort}`,
  );
  return ports;
}

function readPort(field: Field): ServicePort {
  const port = child(field, 'port');
  if (isAbsent(port)) fail(port, 'The port has no number', 'Write port: and a number');
  const number = integer(port, 1, 65535, 0);
  return {
    name: readPortName(child(field, 'name')),
    protocol: oneOf(child(field, 'protocol'), PROTOCOLS, 'TCP'),
    port: number,
    targetPort: readTargetPort(child(field, 'targetPort'), number),
    nodePort: integer(child(field, 'nodePort'), 0, 65535, 0),
  };
}

/** A DNS-1123 label, or nothing. */
export function readPortName(field: Field): string {
  const name = text(field, '');
  if (name === '' || /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return name;
  fail(field, `${quote(name)} is not a port's name`, 'Use at most 63 of a-z, 0-9 and -');
  return '';
}

function readTargetPort(field: Field, port: number): number | string {
  if (typeof field.value !== 'string') return integer(field, 1, 65535, port);
  // IANA service name (RFC 6335 §5.1), which has at least one letter: "8080" in quotes is none.
  if (/^(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/.test(field.value))
    return field.value;
  const remedy = 'Write a number without quotes, or the name of a container port';
  fail(field, `${quote(field.value)} is neither a port nor a port's name`, remedy);
  return port;
}

/** Reports each port whose `identity` an earlier one has; an empty identity never collides. */
function refuseTwins(
  fields: readonly Field[],
  ports: readonly ServicePort[],
  name: string,
  identity: (port: ServicePort) => string,
) {
  const seen = new Map<string, number>();
  for (const [index, port] of ports.entries()) {
    const id = identity(port);
    const field = fields[index];
    const first = seen.get(id);
    if (id === '' || field === undefined) continue;
    if (first === undefined) seen.set(id, index);
    else fail(child(field, name), `${quote(id)} is already that of ports[${first}]`, 'Change one');
  }
}

function readSelectorText(field: Field): string {
  return Object.entries(readLabels(field))
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}

function readAffinity(spec: Field): number {
  const affinity = oneOf(child(spec, 'sessionAffinity'), ['None', 'ClientIP'] as const, 'None');
  const clientIP = section(section(spec, 'sessionAffinityConfig'), 'clientIP');
  const timeout = child(clientIP, 'timeoutSeconds');
  const seconds = integer(timeout, 1, MAX_AFFINITY_TIMEOUT_SEC, AFFINITY_TIMEOUT_SEC);
  return affinity === 'ClientIP' ? seconds : 0;
}

function readSourceRange(field: Field): Prefix[] {
  const remedy = 'Write for example 192.0.2.0/24';
  const prefix = parsed(field, (text) => parsePrefix(text.trim()), 'a CIDR prefix', remedy);
  return prefix ? [prefix] : [];
}
