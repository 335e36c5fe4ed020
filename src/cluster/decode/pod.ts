import type { Pod } from '../../domain/pod.ts';
import { child, type Decoded, decode, type Locate, optionalText, section } from './field.ts';
import { readMeta } from './meta.ts';

/** Reads a core/v1 Pod. */
export function decodePod(value: unknown, locate?: Locate): Decoded<Pod> {
  return decode(value, locate, (root) => ({
    ...readMeta(root, { kind: 'Pod', namespaced: true, name: 'subdomain' }),
    nodeName: optionalText(child(section(root, 'spec'), 'nodeName')),
  }));
}
