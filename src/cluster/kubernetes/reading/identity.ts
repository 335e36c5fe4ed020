import { isKubeObject } from '../kube-object.ts';
import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';

/** Tells whether the API server is still that of the cluster that was read first. */
export interface ClusterIdentity {
  /**
   * Asks who answers. Rejects with ApiError when nobody does, and (`OtherCluster`) when it is another
   * cluster than at first: nothing of what it says may be believed.
   */
  confirm(): Promise<void>;
}

/** `onKnown` is called once, with the uid of the namespace kube-system, which tells clusters apart. */
export function createClusterIdentity(
  connection: Pick<ApiConnection, 'request' | 'server'>,
  onKnown: (uid: string) => void,
): ClusterIdentity {
  let known: string | undefined;
  let asking: Promise<void> | undefined;

  async function ask() {
    const path = '/api/v1/namespaces/kube-system';
    const answer = await connection.request({ method: 'GET', path });
    const { server } = connection;
    if (!isKubeObject(answer)) {
      const message = `${server}: the namespace kube-system came without its uid`;
      throw new ApiError(message, { status: 0, reason: 'Garbage' });
    }
    const { uid } = answer.metadata;
    if (known === undefined) {
      known = uid;
      onKnown(uid);
    }
    if (known === uid) return;
    const message =
      `${server} is now the API server of another cluster (kube-system has the uid ${uid}, not ` +
      `${known}); nothing of it is taken over. Mend the address, or restart to serve that cluster`;
    throw new ApiError(message, { status: 0, reason: 'OtherCluster' });
  }

  return {
    confirm() {
      asking ??= ask().finally(() => {
        asking = undefined;
      });
      return asking;
    },
  };
}
