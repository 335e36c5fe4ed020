import type { Clock } from '../../../domain/clock.ts';
import type { EdgeNode } from '../../../domain/edge-node.ts';
import type { AnnouncementStatus } from '../../decode/announcement-status.ts';
import { isObject } from '../../decode/field.ts';
import { isKubeObject } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { FIELD_MANAGER } from '../write/field-manager.ts';
import type { AnnouncementForm } from './announcement-form.ts';
import { lostConditions } from './edge-node-status.ts';
import { heartbeatLeaseName, readHeartbeat } from './lease-fields.ts';

export interface LostBoxApiOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** Of the heartbeat Leases. */
  readonly namespace: string;
  /** Of the ServiceL2Statuses and ServiceBGPStatuses. */
  readonly metallbNamespace: string;
  readonly clock: Clock;
}

/** Something that a box said to announce. */
export interface StatedByBox {
  readonly form: AnnouncementForm;
  readonly status: AnnouncementStatus;
}

/** `conflict`: somebody else wrote at the same time, maybe the box. `needless`: it says no more that it is ready. */
export type MarkOutcome = 'written' | 'needless' | 'conflict';

/** The requests about lost boxes. All reject with ApiError. */
export function createLostBoxApi(options: LostBoxApiOptions) {
  const { connection, namespace, metallbNamespace, clock } = options;
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const statuses = `/apis/metallb.io/v1beta1/namespaces/${metallbNamespace}`;

  /** Sets Ready=Unknown where it is True. `isWanted` is asked once all is read. */
  async function mark({ name, uid }: EdgeNode, isWanted: () => boolean): Promise<MarkOutcome> {
    const path = `/apis/tidegate.io/v1alpha1/edgenodes/${name}`;
    const [object, lease] = await Promise.all([
      connection.request({ method: 'GET', path }).catch(unless(404)),
      connection
        .request({ method: 'GET', path: `${leases}/${heartbeatLeaseName(name)}` })
        .catch(unless(404)),
    ]);
    if (!isKubeObject(object) || object.metadata.uid !== uid) return 'needless';
    const status = isObject(object['status']) ? object['status'] : {};
    const last = isKubeObject(lease) ? readHeartbeat(lease)?.renewTime : undefined;
    const conditions = lostConditions(status, last, clock.wallMs());
    if (!conditions || !isWanted()) return 'needless';
    const { resourceVersion } = object.metadata;
    const answer = await connection
      .request({
        method: 'PATCH',
        path: `${path}/status`,
        query: { fieldManager: FIELD_MANAGER },
        contentType: 'application/merge-patch+json',
        // With the version it fails when the box has come back meanwhile.
        body: { metadata: { uid, resourceVersion }, status: { conditions } },
      })
      .catch(unless(404, 409));
    return answer === undefined ? 'conflict' : 'written';
  }

  /** Removes this very object. */
  async function remove({ form, status: { name, uid } }: StatedByBox): Promise<void> {
    const path = `${statuses}/${form.plural}/${name}`;
    const body = { preconditions: { uid } };
    await connection.request({ method: 'DELETE', path, body }).catch(unless(404, 409));
  }

  return { mark, remove };
}

function unless(...expected: readonly number[]) {
  return (error: unknown): undefined => {
    if (error instanceof ApiError && expected.includes(error.status)) return undefined;
    throw error;
  };
}
