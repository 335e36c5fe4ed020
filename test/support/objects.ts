import { type Address, familyOf, parseAddress } from '../../src/domain/address.ts';
import type { EdgeNode } from '../../src/domain/edge-node.ts';
import type { Endpoint, EndpointSlice, ServiceEndpoints } from '../../src/domain/endpoints.ts';
import { ADMIT_ALL, type Backend, type VirtualServer } from '../../src/domain/forwarding.ts';
import type { HealthCheckSettings } from '../../src/domain/health.ts';
import type { L2Advertisement } from '../../src/domain/l2-advertisement.ts';
import type { Node } from '../../src/domain/node.ts';
import { type ObjectMeta, objectKey } from '../../src/domain/object.ts';
import type { VipServing } from '../../src/domain/observed.ts';
import type { Pod } from '../../src/domain/pod.ts';
import type { Pool } from '../../src/domain/pool.ts';
import { parseRange } from '../../src/domain/prefix.ts';
import type { Service, ServicePort, ServiceStatus } from '../../src/domain/service.ts';

/** Domain objects with sensible defaults, for tests: say only what the case is about. */
export function address(text: string): Address {
  const parsed = parseAddress(text);
  if (parsed === undefined) throw new Error(`"${text}" is not an address`);
  return parsed;
}

/** What every object has; the namespace is empty for one of the whole cluster. */
export function objectMeta(namespace: string, name: string): ObjectMeta {
  return {
    key: objectKey(namespace, name),
    namespace,
    name,
    uid: '',
    createdMs: 0,
    labels: {},
    deleting: false,
  };
}

export function servicePort(fields: Partial<ServicePort> = {}): ServicePort {
  return { name: '', protocol: 'TCP', port: 80, targetPort: 8080, nodePort: 0, ...fields };
}

export function service(name: string, fields: Partial<Service> = {}): Service {
  return {
    ...objectMeta(fields.namespace ?? 'default', name),
    type: 'LoadBalancer',
    loadBalancerClass: undefined,
    headless: false,
    families: [4],
    ipFamilyPolicy: 'SingleStack',
    ports: [servicePort()],
    selector: `app=${name}`,
    externalTrafficPolicy: 'Cluster',
    healthCheckNodePort: 0,
    affinityTimeoutSec: 0,
    publishNotReadyAddresses: false,
    sourceRanges: [],
    request: { kind: 'none' },
    poolRequest: undefined,
    sharingKey: '',
    deprecatedAnnotations: [],
    target: undefined,
    healthCheck: {},
    scheduler: undefined,
    slowStartSec: 0,
    weights: new Map(),
    newFlowsPerSec: 0,
    clientNewFlowsPerSec: undefined,
    deadBackend: undefined,
    ...fields,
  };
}

export function status(addresses: readonly string[], pool = 'pool'): ServiceStatus {
  return {
    addresses: addresses.map(address),
    hostnames: [],
    pool,
    ports: [],
    guarded: true,
    conditions: [],
    events: [],
  };
}

export function endpoint(text: string, fields: Partial<Endpoint> = {}): Endpoint {
  return {
    address: address(text),
    ready: true,
    serving: true,
    terminating: false,
    nodeName: undefined,
    zone: undefined,
    zoneHints: [],
    nodeHints: [],
    pod: undefined,
    ...fields,
  };
}

/** One slice a family, all endpoints on `port`. */
export function endpointsOf(
  key: string,
  endpoints: readonly Endpoint[],
  ports: EndpointSlice['ports'] = [{ name: '', protocol: 'TCP', port: 8080 }],
): ServiceEndpoints {
  const slices = ([4, 6] as const).map((family) => ({
    key: `${key}-v${family}`,
    family,
    ports,
    endpoints: endpoints.filter((each) => familyOf(each.address) === family),
  }));
  return { service: key, slices: slices.filter((slice) => slice.endpoints.length > 0) };
}

export function node(name: string, addresses: readonly string[], fields: Partial<Node> = {}): Node {
  return {
    ...objectMeta('', name),
    internalAddresses: addresses.map(address),
    ready: true,
    networkUnavailable: false,
    taints: [],
    podCIDRs: [],
    weight: undefined,
    ...fields,
  };
}

/** A Pod in the namespace `default`, on the node `n1`. */
export function pod(name: string, fields: Partial<Pod> = {}): Pod {
  return {
    ...objectMeta('default', name),
    nodeName: 'n1',
    weight: undefined,
    ...fields,
  };
}

/** A backend by its id, `address port`; without a check. */
export function backend(id: string, fields: Partial<Backend> = {}): Backend {
  const [host = '', port = ''] = id.split(' ');
  return {
    id,
    address: address(host),
    port: Number(port),
    weight: 1,
    admit: ADMIT_ALL,
    use: 'active',
    reason: '',
    node: undefined,
    pod: undefined,
    check: undefined,
    ...fields,
  };
}

/** A virtual server by its id, `address protocol port`; its ring lists active backends once. */
export function virtualServer(
  id: string,
  backends: readonly Backend[],
  fields: Partial<VirtualServer> = {},
): VirtualServer {
  const [host = '', protocol = '', port = ''] = id.split(' ');
  const service = fields.service ?? 'default/web';
  return {
    id,
    service,
    address: address(host),
    protocol: protocol === 'UDP' ? 'UDP' : 'TCP',
    port: Number(port),
    scheduler: 'maglev',
    affinityTimeoutSec: 0,
    affinityGroup: service,
    sourceRanges: [],
    newFlowsPerSec: 0,
    clientNewFlowsPerSec: 0,
    slowStartSec: 0,
    resetDead: false,
    backends,
    choice: 'rendezvous',
    ring: Uint16Array.from(backends.flatMap(({ use }, i) => (use === 'active' ? [i] : []))),
    ...fields,
  };
}

/** An address that the forwarder serves, for the Service `default/web`. */
export function vipServing(text: string, fields: Partial<VipServing> = {}): VipServing {
  return {
    address: address(text),
    service: 'default/web',
    servable: true,
    usableBackends: 1,
    backends: 1,
    reason: '',
    revision: 1,
    ...fields,
  };
}

export const TCP_CHECK: HealthCheckSettings = {
  kind: 'tcp',
  port: 0,
  path: '/',
  host: '',
  expectedStatus: [[200, 399]],
  intervalMs: 2000,
  timeoutMs: 1000,
  rise: 2,
  fall: 3,
};

/** A pool of these ranges (`address/length` or `first-last`). */
export function pool(name: string, addresses: readonly string[], fields: Partial<Pool> = {}): Pool {
  const ranges = addresses.map((text) => {
    const range = parseRange(text);
    if (!range) throw new Error(`"${text}" is not a range`);
    return range;
  });
  return {
    ...objectMeta('metallb-system', name),
    ranges,
    addressTexts: addresses,
    autoAssign: true,
    avoidBuggyIPs: false,
    serviceAllocation: undefined,
    ...fields,
  };
}

/** A box that is alive and ready. */
export function edgeNode(name: string, fields: Partial<EdgeNode> = {}): EdgeNode {
  return {
    ...objectMeta('', name),
    drain: false,
    ready: true,
    heartbeatLost: false,
    alive: true,
    withheld: [],
    ...fields,
  };
}

/** An advertisement of all pools by all boxes. */
export function l2Advertisement(
  name: string,
  fields: Partial<L2Advertisement> = {},
): L2Advertisement {
  return {
    ...objectMeta('metallb-system', name),
    pools: [],
    poolSelectors: [],
    nodeSelectors: [],
    interfaces: [],
    serviceSelectors: [],
    preferredNodeSelectors: [],
    ...fields,
  };
}
