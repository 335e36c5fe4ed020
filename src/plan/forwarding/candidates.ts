import { type Address, type Family, familyOf, formatAddress } from '../../domain/address.ts';
import type { Endpoint, EndpointPort, ServiceEndpoints } from '../../domain/endpoints.ts';
import type { KeyedMap } from '../../domain/keyed-map.ts';
import { AUTOSCALER_TAINT, EXCLUDE_LABEL, type Node } from '../../domain/node.ts';
import { nameOf, type ObjectKey } from '../../domain/object.ts';
import type { Pod } from '../../domain/pod.ts';
import type { Service, ServicePort } from '../../domain/service.ts';
import { weightOf } from './weight-of.ts';

/** A possible backend before its health is asked: what the cluster's objects say of it. */
export interface Candidate {
  readonly address: Address;
  readonly port: number;
  /** `ready` may take new flows, `leaving` keeps its flows, `unready` has none to keep. */
  readonly stage: 'ready' | 'leaving' | 'unready';
  /** Why it is not plainly ready; empty otherwise. */
  readonly reason: string;
  readonly weight: number;
  readonly node: string | undefined;
  readonly pod: ObjectKey | undefined;
  /** Whose traffic the cluster would send here; empty: nothing is said. */
  readonly hints: Pick<Endpoint, 'zoneHints' | 'nodeHints'>;
}

const NO_HINTS: Candidate['hints'] = { zoneHints: [], nodeHints: [] };

/** The objects behind endpoints. */
export interface Hosts {
  readonly nodes: KeyedMap<Node>;
  readonly pods: KeyedMap<Pod>;
}

/** Why a backend of weight 0 takes no new flows. */
const WEIGHT_ZERO = 'weight 0';

/** Candidates of one port, and sentences on what is missing. */
export interface Candidates {
  readonly candidates: readonly Candidate[];
  readonly notes: readonly string[];
}

/**
 * Pod targets: endpoints of the port (EndpointSlice ports carry the Service port's name, so a named
 * targetPort is already resolved, a different number for each slice).
 * Readiness after KEP-1669: ready ones; when there are none, serving ones that are terminating.
 * One of weight 0 drains.
 */
export function podCandidates(
  service: Service,
  port: ServicePort,
  family: Family,
  endpoints: ServiceEndpoints | undefined,
  hosts: Hosts,
): Candidates {
  const found = new Map<string, Candidate>();
  const slices = (endpoints?.slices ?? []).filter((slice) => slice.family === family);
  for (const slice of slices) {
    const slicePort = slice.ports.find((each) => isOf(each, port));
    if (slicePort?.port === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const candidate = fromEndpoint(service, endpoint, slicePort.port, hosts);
      const id = `${formatAddress(candidate.address)} ${candidate.port}`;
      // Slices may repeat an endpoint while the cluster moves it from one to another; the better word counts.
      const other = found.get(id);
      if (!other || rank(candidate) > rank(other)) found.set(id, candidate);
    }
  }
  const candidates = promoteTerminating([...found.values()]);
  if (candidates.length > 0) return { candidates, notes: [] };
  const portless = slices.some((slice) => slice.endpoints.length > 0);
  const note = portless ? noPortNote(service, port) : noEndpointsNote(service, port, family);
  return { candidates, notes: [note] };
}

/** A slice's port without a number stands for all ports, which no packet can be sent to. */
function isOf({ name, protocol, port }: EndpointPort, wanted: ServicePort): boolean {
  return name === wanted.name && protocol === wanted.protocol && port !== undefined;
}

/** Node targets: the NodePort of each eligible node; with policy Local only nodes with an endpoint. */
export function nodeCandidates(
  service: Service,
  port: ServicePort,
  family: Family,
  endpoints: ServiceEndpoints | undefined,
  { nodes, pods }: Hosts,
): Candidates {
  if (port.nodePort === 0) {
    const remedy = 'set spec.ports[].nodePort or use tidegate.io/target: pod';
    const note = `Port ${port.port}/${port.protocol} has no nodePort; ${remedy}`;
    return { candidates: [], notes: [note] };
  }
  const usable = usableEndpoints(endpoints, pods);
  if (usable.length === 0)
    return { candidates: [], notes: [noEndpointsNote(service, port, family)] };
  const local = service.externalTrafficPolicy === 'Local';
  const hosts = new Set(usable.map((endpoint) => endpoint.nodeName));
  const candidates: Candidate[] = [];
  for (const node of nodes.values()) {
    const address = node.internalAddresses.find((each) => familyOf(each) === family);
    if (address === undefined) continue;
    const weighed = { address, pod: undefined, podName: undefined, node, nodeName: node.name };
    const weight = weightOf(service, weighed);
    const stage = withWeight(nodeStage(node, local && !hosts.has(node.name)), weight);
    const place = { address, port: port.nodePort, node: node.name, pod: undefined };
    candidates.push({ ...place, ...stage, weight, hints: NO_HINTS });
  }
  if (candidates.length === 0) {
    return { candidates, notes: [`No node has an IPv${family} InternalIP`] };
  }
  const placeless = local && usable.every(({ nodeName }) => nodeName === undefined);
  return { candidates, notes: placeless ? [placelessNote(service)] : [] };
}

/** What the Pod itself says is newer than what its slice says. */
function withPod(endpoint: Endpoint, pods: KeyedMap<Pod>): Endpoint {
  const pod = endpoint.pod === undefined ? undefined : pods.get(endpoint.pod);
  if (!pod) return endpoint;
  const nodeName = endpoint.nodeName ?? pod.nodeName;
  if (!pod.deleting || endpoint.terminating) return { ...endpoint, nodeName };
  return { ...endpoint, nodeName, ready: false, terminating: true };
}

function fromEndpoint(
  service: Service,
  endpoint: Endpoint,
  port: number,
  { nodes, pods }: Hosts,
): Candidate {
  const { address, pod: podKey } = endpoint;
  const known = withPod(endpoint, pods);
  const { nodeName } = known;
  const weight = weightOf(service, {
    address,
    pod: podKey === undefined ? undefined : pods.get(podKey),
    podName: podKey === undefined ? undefined : nameOf(podKey),
    node: nodeName === undefined ? undefined : nodes.get(nodeName),
    nodeName,
  });
  const stage = withWeight(endpointStage(known, service.publishNotReadyAddresses), weight);
  const { zoneHints, nodeHints } = endpoint;
  const hints = zoneHints.length + nodeHints.length === 0 ? NO_HINTS : { zoneHints, nodeHints };
  return { address, port, ...stage, weight, node: nodeName, pod: podKey, hints };
}

type Stage = Pick<Candidate, 'stage' | 'reason'>;

function endpointStage(endpoint: Endpoint, publishNotReady: boolean): Stage {
  if (endpoint.ready || publishNotReady) return { stage: 'ready', reason: '' };
  if (!endpoint.terminating) return { stage: 'unready', reason: 'not ready' };
  return endpoint.serving
    ? { stage: 'leaving', reason: 'terminating' }
    : { stage: 'unready', reason: 'terminating and no longer serving' };
}

function withWeight(stage: Stage, weight: number): Stage {
  if (weight > 0 || stage.stage !== 'ready') return stage;
  return { stage: 'leaving', reason: WEIGHT_ZERO };
}

const LAST_RESORT: Stage = {
  stage: 'ready',
  reason: 'terminating, but no other backend is left',
};

/** KEP-1669: better a terminating backend than none, wherever it is (so does kube-proxy). */
function promoteTerminating(candidates: Candidate[]): Candidate[] {
  if (candidates.some(({ stage }) => stage === 'ready')) return candidates;
  return candidates.map((candidate) =>
    candidate.stage === 'leaving' && candidate.weight > 0
      ? { ...candidate, ...LAST_RESORT, hints: NO_HINTS }
      : candidate,
  );
}

/** Endpoints that count for "does this Service have any": ready ones, else serving terminating ones. */
function usableEndpoints(
  endpoints: ServiceEndpoints | undefined,
  pods: KeyedMap<Pod>,
): readonly Endpoint[] {
  const all = (endpoints?.slices ?? [])
    .flatMap((slice) => slice.endpoints)
    .map((endpoint) => withPod(endpoint, pods));
  const ready = all.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : all.filter((each) => each.serving && each.terminating);
}

function nodeStage(node: Node, lacksLocal: boolean): Stage {
  if (!node.ready) return { stage: 'unready', reason: 'node is not Ready' };
  if (node.networkUnavailable) return { stage: 'unready', reason: 'node has NetworkUnavailable' };
  if (node.deleting) return { stage: 'leaving', reason: 'node is being deleted' };
  if (node.taints.includes(AUTOSCALER_TAINT)) {
    return { stage: 'leaving', reason: `node has the taint ${AUTOSCALER_TAINT}` };
  }
  if (Object.hasOwn(node.labels, EXCLUDE_LABEL)) {
    return { stage: 'leaving', reason: `node has the label ${EXCLUDE_LABEL}` };
  }
  if (lacksLocal) {
    return {
      stage: 'leaving',
      reason: 'no ready endpoint on the node (externalTrafficPolicy Local)',
    };
  }
  return { stage: 'ready', reason: '' };
}

function rank({ stage }: Candidate): number {
  return stage === 'ready' ? 2 : stage === 'leaving' ? 1 : 0;
}

function noEndpointsNote(service: Service, port: ServicePort, family: Family): string {
  const named = port.name === '' ? '' : ` "${port.name}"`;
  const what = `port${named} ${port.port}/${port.protocol} of ${service.key}`;
  const remedy = "check the selector's Pods or the EndpointSlice's port names";
  return `No IPv${family} endpoint for ${what}; ${remedy}`;
}

function noPortNote(service: Service, port: ServicePort): string {
  const what = `port "${port.name}" ${port.port}/${port.protocol} of ${service.key}`;
  const remedy = "give a slice's port that name and protocol, and a number";
  return `The EndpointSlices have endpoints and no port for ${what}; ${remedy}`;
}

function placelessNote(service: Service): string {
  const problem = `No endpoint of ${service.key} names its node`;
  const remedy = 'set endpoints[].nodeName, or externalTrafficPolicy to Cluster';
  return `${problem}, so no node takes traffic under externalTrafficPolicy Local; ${remedy}`;
}
