import type { EdgeNode } from '../../domain/edge-node.ts';
import { EXCLUDE_LABEL, type Node } from '../../domain/node.ts';
import type { Labels } from '../../domain/object.ts';
import type { Snapshot } from '../../domain/snapshot.ts';
import { isObstacleOfBox, type WithholdReason } from './reasons.ts';

/** The box that plans, by its settings. */
export interface OwnBox {
  readonly name: string;
  readonly labels: Labels;
}

/** A box as selectors and the choice of an owner see it. */
export interface Box {
  readonly name: string;
  /** Of its EdgeNode and of the Node of its name; the EdgeNode's count first. */
  readonly labels: Labels;
  /** It is to give its addresses up. */
  readonly draining: boolean;
  /** What its Node, or its labels, say against its announcing anything; empty when nothing. */
  readonly nodeObstacle: WithholdReason;
  /** Either of both, as a reason. */
  readonly obstacle: WithholdReason;
  /** May own addresses: alive, ready, and nothing is said against it. */
  readonly candidate: boolean;
  /** Texts of addresses that it cannot announce, by its own word. */
  readonly withheld: ReadonlySet<string>;
}

export interface Boxes {
  /** This box, also when it has no EdgeNode yet. */
  readonly self: Box;
  /** Those with an EdgeNode, by name. */
  readonly all: readonly Box[];
  /** Equal for equal boxes, but for what they withhold. */
  readonly signature: string;
}

/** The kubelet gives Nodes this label, and manifests choose by it; boxes have it by their name. */
const HOSTNAME_LABEL = 'kubernetes.io/hostname';

/** `before` are the same boxes while neither EdgeNodes nor Nodes changed. */
export function boxesOf(
  { edgeNodes, nodes }: Snapshot,
  own: OwnBox,
  before?: { readonly snapshot: Snapshot; readonly boxes: Boxes },
): Boxes {
  if (before?.snapshot.edgeNodes === edgeNodes && before.snapshot.nodes === nodes)
    return before.boxes;
  const all = [...edgeNodes.values()]
    .map((edgeNode) => boxOf(edgeNode, nodes.get(edgeNode.name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const self = all.find(({ name }) => name === own.name) ?? newcomer(own, nodes.get(own.name));
  const signature = JSON.stringify(
    [self, ...all].map(({ name, labels, obstacle, candidate }) => [
      name,
      Object.entries(labels).sort(),
      obstacle,
      candidate,
    ]),
  );
  return { self, all, signature };
}

function boxOf(edgeNode: EdgeNode, node: Node | undefined): Box {
  const labels = labelsOf(edgeNode.name, node, edgeNode.labels);
  const draining = edgeNode.drain || edgeNode.deleting;
  const nodeObstacle = nodeObstacleOf(labels, node);
  const obstacle = draining ? 'draining' : nodeObstacle;
  return {
    name: edgeNode.name,
    labels,
    draining,
    nodeObstacle,
    obstacle,
    candidate: obstacle === '' && edgeNode.alive && edgeNode.ready,
    withheld: new Set(
      edgeNode.withheld
        .filter(({ reason }) => isObstacleOfBox(reason))
        .map(({ address }) => address),
    ),
  };
}

/** No candidate before its EdgeNode is there, so that all boxes choose among the same. */
function newcomer({ name, labels: given }: OwnBox, node: Node | undefined): Box {
  const labels = labelsOf(name, node, given);
  const obstacle = nodeObstacleOf(labels, node);
  const own = { draining: false, nodeObstacle: obstacle, obstacle };
  return { name, labels, ...own, candidate: false, withheld: new Set() };
}

function labelsOf(name: string, node: Node | undefined, own: Labels): Labels {
  return { [HOSTNAME_LABEL]: name, ...node?.labels, ...own };
}

function nodeObstacleOf(labels: Labels, node: Node | undefined): WithholdReason {
  if (node?.networkUnavailable) return 'nodeNetworkUnavailable';
  return Object.hasOwn(labels, EXCLUDE_LABEL) ? 'nodeLabeledExcludeBalancers' : '';
}
