import { createHash } from 'node:crypto';
import { nameOf, type ObjectKey } from '../../../domain/object.ts';
import {
  NODE_LABEL,
  SERVICE_NAME_LABEL,
  SERVICE_NAMESPACE_LABEL,
} from '../../decode/announcement-status.ts';
import { isObject } from '../../decode/field.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import type { AnnouncementForm } from './announcement-form.ts';
import { FIELD_MANAGER } from './edge-node-writer.ts';
import { ownerReference } from './owner-reference.ts';

export interface AnnouncementStatusApiOptions {
  readonly form: AnnouncementForm;
  readonly connection: Pick<ApiConnection, 'request'>;
  /** MetalLB's. */
  readonly namespace: string;
  readonly box: string;
  /** Of the EdgeNode, so that statuses go with it. */
  readonly owner: () => string | undefined;
}

/** A ServiceL2Status or ServiceBGPStatus as the server has it. */
export interface WrittenStatus {
  readonly name: string;
  /** `undefined` when only the first of its two writes was done. */
  readonly places: readonly string[] | undefined;
  /** Goes with the EdgeNode that there is now, and not with an earlier one or a Pod of MetalLB's. */
  readonly isOwned: boolean;
}

const PAGE = '500';
const API_VERSION = 'metallb.io/v1beta1';

/** The requests about what a box announces by one way. All reject with ApiError. */
export function createAnnouncementStatusApi(options: AnnouncementStatusApiOptions) {
  const { form, connection, namespace, box, owner } = options;
  const folder = `/apis/${API_VERSION}/namespaces/${namespace}/${form.plural}`;

  /** Of this box; `undefined` when the kind is not installed. */
  async function list() {
    const found: { service: ObjectKey; object: WrittenStatus }[] = [];
    let token: string | undefined;
    do {
      const answer = await connection
        .request({
          method: 'GET',
          path: folder,
          query: {
            labelSelector: `${NODE_LABEL}=${box}`,
            limit: PAGE,
            ...(token !== undefined && { continue: token }),
          },
        })
        .catch(notThere);
      if (!isObject(answer)) return undefined;
      for (const item of Array.isArray(answer['items']) ? answer['items'] : []) {
        const stated = form.read(item);
        if (!stated) continue;
        const told = isObject(item) && item['status'] !== undefined;
        const places = told ? stated.places.toSorted() : undefined;
        const isOwned = ownersOf(item).includes(owner());
        const { name, service } = stated.status;
        found.push({ service, object: { name, places, isOwned } });
      }
      const { metadata } = answer;
      const next = isObject(metadata) ? metadata['continue'] : undefined;
      token = typeof next === 'string' && next !== '' ? next : undefined;
    } while (token !== undefined);
    return found;
  }

  async function create(service: ObjectKey): Promise<string> {
    // Made from what it is about, so that a try whose answer was lost makes no second one.
    const digest = createHash('sha256').update(`${box} ${service}`).digest('hex');
    const name = `${form.prefix}-${digest.slice(0, 16)}`;
    const uid = owner();
    const labels = {
      [NODE_LABEL]: box,
      [SERVICE_NAME_LABEL]: nameOf(service),
      [SERVICE_NAMESPACE_LABEL]: namespaceOf(service),
    };
    await connection
      .request({
        method: 'POST',
        path: folder,
        query: { fieldManager: FIELD_MANAGER },
        body: {
          apiVersion: API_VERSION,
          kind: form.kind,
          metadata: {
            name,
            labels,
            ...(uid !== undefined && { ownerReferences: [ownerReference(box, uid)] }),
          },
        },
      })
      .catch((error) => {
        if (!(error instanceof ApiError && error.reason === 'AlreadyExists')) throw error;
      });
    return name;
  }

  /** False when the object is not there any more. */
  async function setStatus(name: string, service: ObjectKey, places: readonly string[]) {
    const status = {
      node: box,
      serviceName: nameOf(service),
      serviceNamespace: namespaceOf(service),
      ...form.write(places),
    };
    const answer = await connection
      .request({
        method: 'PATCH',
        path: `${folder}/${name}/status`,
        query: { fieldManager: FIELD_MANAGER },
        contentType: 'application/merge-patch+json',
        body: { status },
      })
      .catch(notThere);
    return answer !== undefined;
  }

  async function remove(name: string): Promise<void> {
    await connection.request({ method: 'DELETE', path: `${folder}/${name}` }).catch(notThere);
  }

  return { list, create, setStatus, remove };
}

/** The uids of those it goes with. */
function ownersOf(item: unknown): unknown[] {
  const metadata = isObject(item) ? item['metadata'] : undefined;
  const owners = isObject(metadata) ? metadata['ownerReferences'] : undefined;
  return Array.isArray(owners) ? owners.filter(isObject).map(({ uid }) => uid) : [];
}

function namespaceOf(service: ObjectKey): string {
  return service.slice(0, service.indexOf('/'));
}

function notThere(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}
