import { ApiError } from '../transport/api-error.ts';
import type { ApiConnection } from '../transport/connection.ts';
import type { ElectorEvent } from './elector-state.ts';
import { decodeLease, encodeLease, type Lease, type LeaseContent, newLease } from './lease.ts';

export interface LeaseClientOptions {
  readonly connection: Pick<ApiConnection, 'request' | 'server'>;
  readonly namespace: string;
  readonly name: string;
  /** Of each request, ms. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reads and writes one Lease; what came of it is an event for the elector. Never rejects. */
export interface LeaseClient {
  read(): Promise<ElectorEvent>;
  /** Creates it when there was none before. */
  write(before: Lease | undefined, content: LeaseContent): Promise<ElectorEvent>;
}

export function createLeaseClient(options: LeaseClientOptions): LeaseClient {
  const { connection, namespace, name, timeoutMs, signal } = options;
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const path = `${leases}/${name}`;
  const limits = { timeoutMs, signal };
  const garbage = `${connection.server} answered for Lease ${namespace}/${name} with no object`;

  function put(before: Lease | undefined, content: LeaseContent): Promise<unknown> {
    const request = before
      ? ({ method: 'PUT', path, body: encodeLease(before, content) } as const)
      : ({ method: 'POST', path: leases, body: newLease(namespace, name, content) } as const);
    return connection.request({ ...request, ...limits });
  }

  return {
    async read() {
      try {
        const lease = decodeLease(await connection.request({ method: 'GET', path, ...limits }));
        return lease ? { kind: 'read', lease } : { kind: 'readFailed', problem: garbage };
      } catch (error) {
        if (statusOf(error) === 404) return { kind: 'read', lease: undefined };
        return { kind: 'readFailed', problem: problemOf(error) };
      }
    },
    async write(before, content) {
      try {
        const lease = decodeLease(await put(before, content));
        return lease ? { kind: 'written', lease } : { kind: 'writeUnknown', problem: garbage };
      } catch (error) {
        const status = statusOf(error);
        const problem = problemOf(error);
        if (status === 409 || (status === 404 && before)) return { kind: 'writeRefused' };
        if (status === 404) {
          const remedy = `Create the namespace "${namespace}", or name another one in the settings (cluster.kubernetes.namespace)`;
          return { kind: 'writeDenied', problem: `${problem}. ${remedy}` };
        }
        return { kind: DENIED.has(status) ? 'writeDenied' : 'writeUnknown', problem };
      }
    },
  };
}

/** Answers that say for sure that a write was not accepted, and not because the Lease changed. */
const DENIED: ReadonlySet<number> = new Set([400, 401, 403, 405, 413, 415, 422]);

/** 0 where there was no answer. */
function statusOf(error: unknown): number {
  return error instanceof ApiError ? error.status : 0;
}

export function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
