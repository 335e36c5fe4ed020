import type { EdgeNode, WithheldVip } from '../../domain/edge-node.ts';
import {
  child,
  type Decoded,
  decode,
  descend,
  type Field,
  flag,
  items,
  type Locate,
  section,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';

const MAX_CONDITIONS = 64;
/** As many as a box writes (`WITHHELD_MAX`), and room for a later version's. */
const MAX_WITHHELD = 4096;

/**
 * Why Ready is Unknown where the controller has written it, over the word of a box that was ready and
 * whose heartbeats stay away.
 */
export const HEARTBEAT_LOST = 'HeartbeatLost';

/**
 * Reads a tidegate.io/v1alpha1 EdgeNode. One without the condition Ready is not ready: nobody has
 * spoken for the box yet. The object does not say whether its box lives, so it counts as alive, until
 * who reads its heartbeats says otherwise.
 */
export function decodeEdgeNode(value: unknown, locate?: Locate): Decoded<EdgeNode> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'EdgeNode', namespaced: false, name: 'subdomain' });
    const conditions = items(descend(root, 'status', 'conditions'), MAX_CONDITIONS);
    const heartbeatLost = conditions.some(isHeartbeatLost);
    return {
      ...meta,
      drain: flag(child(section(root, 'spec'), 'drain'), false),
      ready: heartbeatLost || conditions.some(isReady),
      heartbeatLost,
      alive: true,
      withheld: items(descend(root, 'status', 'withheld'), MAX_WITHHELD).map(readWithheld),
    };
  });
}

function isReady(condition: Field): boolean {
  return child(condition, 'type').value === 'Ready' && child(condition, 'status').value === 'True';
}

function isHeartbeatLost(condition: Field): boolean {
  return (
    child(condition, 'type').value === 'Ready' &&
    child(condition, 'status').value === 'Unknown' &&
    child(condition, 'reason').value === HEARTBEAT_LOST
  );
}

function readWithheld(field: Field): WithheldVip {
  return {
    address: text(child(field, 'address'), ''),
    service: text(child(field, 'service'), ''),
    reason: text(child(field, 'reason'), ''),
    message: text(child(field, 'message'), ''),
  };
}
