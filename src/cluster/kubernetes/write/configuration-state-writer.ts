import type { Clock } from '../../../domain/clock.ts';
import type { Problem } from '../../../domain/problem.ts';
import type { ApiRequest } from '../transport/api-request.ts';
import type { ApiConnection } from '../transport/connection.ts';
import { nextConfigurationStatus } from './configuration-state.ts';
import { FIELD_MANAGER } from './field-manager.ts';
import { failureOf } from './outcome.ts';

export interface ConfigurationStateOptions {
  readonly connection: Pick<ApiConnection, 'request'>;
  /** Where MetalLB's objects are. */
  readonly namespace: string;
  /** `controller`, `speaker-edge-1` */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** MetalLB's name for the part of it that reads what the problems are about. */
  readonly condition: string;
  /** Of the EdgeNode that it goes with. */
  readonly owner?: () => object | undefined;
  readonly mayWrite: () => boolean;
  readonly clock: Pick<Clock, 'wallMs'>;
}

/**
 * Says in a ConfigurationState (metallb.io) what is wrong with the configuration, where it says otherwise;
 * makes it anew when somebody has deleted it. Does nothing where its kind is not installed. Rejects with
 * ApiError.
 */
export function createConfigurationStateWriter(
  options: ConfigurationStateOptions,
): (problems: readonly Problem[]) => Promise<void> {
  const folder = `/apis/metallb.io/v1beta1/namespaces/${options.namespace}/configurationstates`;
  const path = `${folder}/${options.name}`;

  /** `undefined` when there is no such object, or no such kind. */
  async function request(asked: ApiRequest): Promise<unknown> {
    const query = asked.method === 'GET' ? {} : { query: { fieldManager: FIELD_MANAGER } };
    try {
      return await options.connection.request({ ...asked, ...query });
    } catch (error) {
      if (failureOf(error) === 'gone') return undefined;
      throw error;
    }
  }

  function create(): Promise<unknown> {
    const owner = options.owner?.();
    const { name, labels } = options;
    const metadata = { name, labels, ...(owner && { ownerReferences: [owner] }) };
    const body = { apiVersion: 'metallb.io/v1beta1', kind: 'ConfigurationState', metadata };
    return request({ method: 'POST', path: folder, body });
  }

  return async (problems) => {
    const object = (await request({ method: 'GET', path })) ?? (await create());
    if (object === undefined || !options.mayWrite()) return;
    const { status: current } = object as { status?: unknown };
    const nowMs = options.clock.wallMs();
    const status = nextConfigurationStatus(problems, current, options.condition, nowMs);
    if (!status) return;
    await request({
      method: 'PATCH',
      path: `${path}/status`,
      contentType: 'application/merge-patch+json',
      body: { status },
    });
  };
}
