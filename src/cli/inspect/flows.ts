import type { Flow, FlowList } from '../../admin/api.ts';
import { type Answer, askAll } from '../admin-client.ts';
import { type Call, UsageError } from '../command.ts';
import { endpoint } from '../format.ts';
import type { Io } from '../io.ts';
import { endpointOf } from '../option-values.ts';
import { type Cell, table } from '../table.ts';

/** The query of `/v1/flows`. Throws `UsageError`. */
export function flowQueryOf(call: Call): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of ['vip', 'backend'] as const) {
    if (call.text(name) === undefined) continue;
    const { address, port } = endpointOf(call, name);
    query.set(name, address);
    if (port !== undefined) query.set(`${name}Port`, String(port));
  }
  const client = call.text('client');
  if (client !== undefined) query.set('client', client);
  const protocol = call.text('proto');
  if (protocol !== undefined) query.set('protocol', protocol.toUpperCase());
  const state = call.text('state');
  if (state !== undefined) query.set('state', state);
  const idle = call.text('idle-more-than');
  if (idle !== undefined) query.set('idleMoreThan', String(secondsOf(idle)));
  query.set('limit', call.flag('count') ? '0' : (call.text('limit') ?? '100'));
  return query;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600 };

function secondsOf(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smh]?)$/.exec(text) ?? [];
  const seconds = count === '' ? Number.NaN : Number(count) * (UNIT_SECONDS[unit] ?? 1);
  if (seconds <= 2 ** 31 - 1) return seconds;
  throw new UsageError(`--idle-more-than is "${text}"; write seconds, or 5m, or 2h`);
}

/** Asks every process; those without a forwarder refuse, which is no failure. */
export function readFlows(
  runDir: string,
  instances: readonly string[],
  query: URLSearchParams,
): Promise<Answer<FlowList>[]> {
  return askAll<FlowList>(runDir, instances, `/v1/flows?${query}`);
}

/** How many there are, by state. */
export function renderFlowCounts(io: Io, { counts }: FlowList): string {
  const rows = Object.entries(counts).map(([state, count]): Cell[] => [state, String(count)]);
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return table(io, ['STATE', 'FLOWS'], [...rows, ['all', String(all)]]);
}

export function renderFlows(io: Io, { items, truncated }: FlowList): string {
  if (items.length === 0) return 'No flow matches.\n';
  const rows = items.map((flow): Cell[] => [
    flow.protocol,
    endpoint(flow.client, flow.clientPort),
    endpoint(flow.vip, flow.vipPort),
    endpoint(flow.backend, flow.backendPort),
    endpoint(flow.natAddress, flow.natPort),
    stateText(flow),
    `${flow.idleSeconds} s`,
  ]);
  const more = truncated
    ? '… and more; narrow down with --vip, --client, --backend, or raise --limit\n'
    : '';
  const headings = ['PROTOCOL', 'CLIENT', 'ADDRESS', 'BACKEND', 'NAT', 'STATE', 'IDLE'];
  return table(io, headings, rows) + more;
}

function stateText({ state, proxied }: Flow): string {
  return proxied ? `${state}, by cookie` : state;
}
