import type { L2Status } from '../../domain/l2-status.ts';
import { objectKey } from '../../domain/object.ts';
import {
  child,
  type Decoded,
  decode,
  descend,
  type Field,
  items,
  type Locate,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';

const MAX_INTERFACES = 1024;
const MAX_OWNERS = 64;

/**
 * Where a ServiceL2Status says whom it is about, also before its status is written: the API server
 * takes the two in two requests.
 */
export const NODE_LABEL = 'metallb.io/node';
export const SERVICE_NAME_LABEL = 'metallb.io/service-name';
export const SERVICE_NAMESPACE_LABEL = 'metallb.io/service-namespace';

/** Reads a metallb.io/v1beta1 ServiceL2Status, of ours or of MetalLB's speakers. */
export function decodeL2Status(value: unknown, locate?: Locate): Decoded<L2Status> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'ServiceL2Status', namespaced: true, name: 'subdomain' });
    const status = child(root, 'status');
    const said = (field: string, label: string) =>
      text(child(status, field), '') || (meta.labels[label] ?? '');
    return {
      ...meta,
      node: said('node', NODE_LABEL),
      service: objectKey(
        said('serviceNamespace', SERVICE_NAMESPACE_LABEL),
        said('serviceName', SERVICE_NAME_LABEL),
      ),
      interfaces: items(child(status, 'interfaces'), MAX_INTERFACES).map(nameOf),
      ofBox: items(descend(root, 'metadata', 'ownerReferences'), MAX_OWNERS).some(isBox),
    };
  });
}

function nameOf(item: Field): string {
  return text(child(item, 'name'), '');
}

function isBox(owner: Field): boolean {
  const group = text(child(owner, 'apiVersion'), '').split('/')[0];
  return group === 'tidegate.io' && child(owner, 'kind').value === 'EdgeNode';
}
