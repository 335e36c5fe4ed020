import type { Pod } from '../../domain/pod.ts';
import {
  child,
  type Decoded,
  decode,
  flag,
  isAbsent,
  items,
  type Locate,
  optionalText,
  section,
} from './field.ts';
import { readMeta } from './meta.ts';
import { readAddress } from './node.ts';

const MAX_ADDRESSES = 16;

/** Reads a core/v1 Pod; addresses from `status.podIPs`, else `status.podIP`. */
export function decodePod(value: unknown, locate?: Locate): Decoded<Pod> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Pod', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    const status = section(root, 'status');
    const listed = items(child(status, 'podIPs'), MAX_ADDRESSES).map((item) => child(item, 'ip'));
    const fields = listed.length > 0 ? listed : [child(status, 'podIP')];
    return {
      ...meta,
      addresses: fields.filter((field) => !isAbsent(field)).flatMap(readAddress),
      hostNetwork: flag(child(spec, 'hostNetwork'), false),
      nodeName: optionalText(child(spec, 'nodeName')),
    };
  });
}
