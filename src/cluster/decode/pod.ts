import type { Labels } from '../../domain/object.ts';
import type { Pod } from '../../domain/pod.ts';
import { WEIGHT_LABEL } from '../../domain/weight.ts';
import { child, type Decoded, decode, type Locate, optionalText, section } from './field.ts';
import { readMeta } from './meta.ts';
import { readWeight } from './weight.ts';

/** Reads a core/v1 Pod. */
export function decodePod(value: unknown, locate?: Locate): Decoded<Pod> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Pod', namespaced: true, name: 'subdomain' });
    return {
      ...meta,
      labels: weightLabelOf(meta.labels),
      nodeName: optionalText(child(section(root, 'spec'), 'nodeName')),
      weight: readWeight(root),
    };
  });
}

/** There are many Pods, and nothing selects over their labels. */
function weightLabelOf({ [WEIGHT_LABEL]: weight }: Labels): Labels {
  return weight === undefined ? {} : { [WEIGHT_LABEL]: weight };
}
