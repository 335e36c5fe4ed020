import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';

/**
 * A large cluster as numbers: Services with 10 endpoints each, out of 20,000 Pods behind 100 nodes,
 * in both families.
 */
export const ENDPOINTS = 10;
const PODS = 20_000;
const NODES = 100;
/** Neighbouring turns choose Pods that are far apart. */
const TURN_STRIDE = 31;
/** A fixed order in which Services change, that jumps. */
const CHANGE_STRIDE = 7919;

export type ClusterFamily = 4 | 6;

/** The VIP of a Service, out of 198.18.0.0/15 or 2001:db8:1::/112. */
export function vipOf(service: number, family: ClusterFamily): string {
  if (family === 6) return `2001:db8:1::${(1 + service).toString(16)}`;
  return `198.${18 + (service >> 16)}.${(service >> 8) & 255}.${service & 255}`;
}

/** Pod addresses of a Service; another turn replaces one of them. */
export function podsOf(service: number, turn: number, family: ClusterFamily): readonly string[] {
  const pods = Array.from({ length: ENDPOINTS }, (_, i) => {
    const pod = (service * ENDPOINTS + i + (i === 0 ? turn * TURN_STRIDE : 0)) % PODS;
    const [node, onNode] = [pod % NODES, Math.floor(pod / NODES)];
    return family === 6
      ? `fd01:0:0:${node.toString(16)}::${(1 + onNode).toString(16)}`
      : `10.${100 + node}.${onNode >> 7}.${1 + (onNode & 127)}`;
  });
  return [...new Set(pods)];
}

/** The Service that the n-th change is about. */
export function changedService(change: number, services: number): number {
  return (change * CHANGE_STRIDE) % services;
}

/** An edge box on whose segment all nodes are; they need not answer, their MACs are known. */
export function buildEdge(lab: Lab): Host {
  const [edge, far] = [lab.host('edge', 'forwards'), lab.host('far')];
  lab.cable(
    { host: edge, name: EDGE_PORT, addresses: ['10.0.0.1/16', 'fd00::1/64'], xdp: true },
    { host: far, name: 'eth0' },
  );
  edge.ip(...Array.from({ length: NODES }, (_, node) => nodeLines(node)).flat());
  return edge;
}

export const EDGE_PORT = 'eth0';

function nodeLines(node: number): string[] {
  const [gateway4, gateway6] = [`10.0.1.${node + 1}`, `fd00::1:${(node + 1).toString(16)}`];
  const mac = `02:00:00:00:01:${node.toString(16).padStart(2, '0')}`;
  return [
    ...[gateway4, gateway6].map(
      (gateway) => `neigh replace ${gateway} lladdr ${mac} dev ${EDGE_PORT} nud permanent`,
    ),
    `route add 10.${100 + node}.0.0/16 via ${gateway4}`,
    `route add fd01:0:0:${node.toString(16)}::/64 via ${gateway6}`,
  ];
}
