import { type ObjectKey, type ObjectMeta, objectKey } from '../../domain/object.ts';
import { child, descend, type Field, items, text } from './field.ts';
import { readMeta } from './meta.ts';

const MAX_OWNERS = 64;

/**
 * Where a ServiceL2Status or ServiceBGPStatus says whom it is about, also before its status is written:
 * the API server takes the two in two requests.
 */
export const NODE_LABEL = 'metallb.io/node';
export const SERVICE_NAME_LABEL = 'metallb.io/service-name';
export const SERVICE_NAMESPACE_LABEL = 'metallb.io/service-namespace';

/** What both kinds say. */
export interface AnnouncementStatus extends ObjectMeta {
  readonly node: string;
  readonly service: ObjectKey;
  readonly ofBox: boolean;
}

export function readAnnouncementStatus(root: Field, kind: string): AnnouncementStatus {
  const meta = readMeta(root, { kind, namespaced: true, name: 'subdomain' });
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
    ofBox: items(descend(root, 'metadata', 'ownerReferences'), MAX_OWNERS).some(isBox),
  };
}

function isBox(owner: Field): boolean {
  const group = text(child(owner, 'apiVersion'), '').split('/')[0];
  return group === 'tidegate.io' && child(owner, 'kind').value === 'EdgeNode';
}
