import type { FlowList } from '../admin/api.ts';
import { type Answer, askAll } from './admin-client.ts';
import type { Call } from './command.ts';
import { endpoint } from './format.ts';
import type { Io } from './io.ts';
import { type Cell, table } from './table.ts';

export interface FlowQuery {
  readonly vip?: string;
  readonly client?: string;
  readonly backend?: string;
  readonly limit: string;
}

/** Reads the options. */
export function flowQueryOf(call: Call): FlowQuery {
  const query: Record<string, string> = {};
  for (const name of ['vip', 'client', 'backend']) {
    const value = call.text(name);
    if (value !== undefined) query[name] = value;
  }
  return { ...query, limit: call.text('limit') ?? '100' };
}

/** Asks every process; those without a forwarder refuse, which is no failure. */
export function readFlows(
  runDir: string,
  instances: readonly string[],
  query: FlowQuery,
): Promise<Answer<FlowList>[]> {
  const parameters = new URLSearchParams(Object.entries(query));
  return askAll<FlowList>(runDir, instances, `/v1/flows?${parameters}`);
}

export function renderFlows(io: Io, { items, truncated }: FlowList): string {
  if (items.length === 0) return 'No flow matches.\n';
  const rows = items.map((flow): Cell[] => [
    flow.protocol,
    endpoint(flow.client, flow.clientPort),
    endpoint(flow.vip, flow.vipPort),
    endpoint(flow.backend, flow.backendPort),
    String(flow.natPort),
    flow.state,
    `${flow.idleSeconds} s`,
  ]);
  const more = truncated
    ? '… and more; narrow down with --vip, --client, --backend, or raise --limit\n'
    : '';
  const headings = ['PROTOCOL', 'CLIENT', 'ADDRESS', 'BACKEND', 'NAT PORT', 'STATE', 'IDLE'];
  return table(io, headings, rows) + more;
}
