import { setTimeout as sleep } from 'node:timers/promises';
import type { Top, TopRow } from '../../admin/api-inspect.ts';
import { type Answer, askAll } from '../admin-client.ts';
import { type Call, UsageError } from '../command.ts';
import { bytes, endpoint, plural } from '../format.ts';
import { type Io, paint } from '../io.ts';
import { dropText } from '../reasons.ts';
import { type Cell, table } from '../table.ts';

/** Rows of one picture; `--json` has all. */
const ROWS_SHOWN = 20;
const DROPS_SHOWN = 8;
const INTERVAL_MIN_MS = 200;
const INTERVAL_MAX_MS = 3_600_000;
/** Up to the top left, and clear what is below. */
const HOME = '\u001b[H\u001b[J';

const SORTS = ['packets', 'bytes', 'flows', 'drops'] as const;
type Sort = (typeof SORTS)[number];

export interface TopOptions {
  readonly intervalMs: number;
  readonly sort: Sort;
  readonly once: boolean;
}

/** A port of a VIP, a second. */
export interface Rate extends Pick<TopRow, 'service' | 'address' | 'port' | 'protocol' | 'flows'> {
  readonly packets: number;
  readonly bytes: number;
  readonly newFlows: number;
  readonly drops: number;
}

/** What there is between two answers. */
export interface Rates {
  readonly seconds: number;
  readonly items: readonly Rate[];
  /** Packets a second by counter, those at zero left out. */
  readonly drops: Readonly<Record<string, number>>;
}

/** Throws `UsageError`. */
export function topOptionsOf(call: Call): TopOptions {
  const wanted = call.text('sort') ?? 'packets';
  const sort = SORTS.find((name) => name === wanted);
  if (!sort) throw new UsageError(`--sort is "${wanted}"; write one of ${SORTS.join(', ')}`);
  return { sort, once: call.flag('once'), intervalMs: intervalOf(call.text('interval') ?? '1s') };
}

function intervalOf(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(s|ms)?$/.exec(text) ?? [];
  const ms = Number(count) * (unit === 'ms' ? 1 : 1000);
  if (ms >= INTERVAL_MIN_MS && ms <= INTERVAL_MAX_MS) return ms;
  throw new UsageError(`--interval is "${text}"; write 1s, 500ms, or up to 3600s`);
}

export function readTop(runDir: string, instances: readonly string[]): Promise<Answer<Top>[]> {
  return askAll<Top>(runDir, instances, '/v1/top');
}

/** Sorted, busiest first. A counter that ran backwards began anew: what it counts is new too. */
export function ratesBetween(before: Top, after: Top, sort: Sort): Rates {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1000);
  const known = new Map(before.items.map((row) => [keyOf(row), row]));
  const items = after.items.map((row): Rate => {
    const former = known.get(keyOf(row));
    const { service, address, port, protocol, flows } = row;
    const grown = (name: Grown) => {
      const from = former?.[name] ?? 0;
      return (row[name] - (row[name] >= from ? from : 0)) / seconds;
    };
    return {
      ...{ service, address, port, protocol, flows },
      packets: grown('inPackets') + grown('outPackets'),
      bytes: grown('inBytes') + grown('outBytes'),
      newFlows: grown('newFlows'),
      drops: grown('drops'),
    };
  });
  items.sort(
    (a, b) => b[sort] - a[sort] || b.packets - a.packets || (keyOf(a) < keyOf(b) ? -1 : 1),
  );
  return { seconds, items, drops: dropsBetween(before, after, seconds) };
}

type Grown = 'inPackets' | 'outPackets' | 'inBytes' | 'outBytes' | 'newFlows' | 'drops';

const keyOf = ({ address, port, protocol }: Pick<TopRow, 'address' | 'port' | 'protocol'>) =>
  `${address} ${protocol} ${port}`;

function dropsBetween(before: Top, after: Top, seconds: number): Record<string, number> {
  const drops: Record<string, number> = {};
  for (const [name, count] of Object.entries(after.packets)) {
    const rate = (count - (before.packets[name] ?? 0)) / seconds;
    if (name.startsWith('drop_') && rate > 0) drops[name.slice('drop_'.length)] = rate;
  }
  return drops;
}

/**
 * A picture each interval until the process ends, or one with `once`. On a terminal one replaces the
 * other; else each is printed below the one before.
 */
export async function showTop(
  call: Call,
  first: Top,
  ask: () => Promise<Top | undefined>,
  { intervalMs, sort, once }: TopOptions,
): Promise<void> {
  let before = first;
  for (;;) {
    await sleep(intervalMs);
    const after = await ask();
    if (!after) return;
    const rates = ratesBetween(before, after, sort);
    before = after;
    if (call.flag('json')) call.io.out(`${JSON.stringify(rates)}\n`);
    else call.io.out((call.io.isTerminal && !once ? HOME : '') + renderTop(call.io, rates));
    if (once) return;
  }
}

function renderTop(io: Io, { items, drops, seconds }: Rates): string {
  const busy = items.filter(({ packets, drops: lost, flows }) => packets + lost + flows > 0);
  const rows = busy
    .slice(0, ROWS_SHOWN)
    .map((rate): Cell[] => [
      endpoint(rate.address, rate.port),
      rate.protocol,
      count(rate.packets),
      `${bytes(Math.round(rate.bytes))}/s`,
      count(rate.newFlows),
      String(rate.flows),
      rate.drops > 0 ? { text: count(rate.drops), tone: 'bad' } : '0',
      rate.service,
    ]);
  const headings = [
    'ADDRESS',
    'PROTOCOL',
    'PACKETS/S',
    'BYTES',
    'NEW/S',
    'FLOWS',
    'DROPS/S',
    'SERVICE',
  ];
  const idle = items.length - rows.length;
  const title = `${plural(items.length, 'port')}, over ${seconds.toFixed(1)} s`;
  return [
    `${paint(io, 'bold', title)}${idle > 0 ? `; ${idle} idle or less busy ones not shown` : ''}\n`,
    table(io, headings, rows),
    dropTable(io, drops),
  ].join('');
}

function dropTable(io: Io, drops: Rates['drops']): string {
  const rows = Object.entries(drops)
    .sort(([, a], [, b]) => b - a)
    .slice(0, DROPS_SHOWN)
    .map(([name, rate]): Cell[] => [name, count(rate), dropText(name)]);
  return table(io, ['DROPPED', 'PACKETS/S', 'MEANS'], rows);
}

/** Whole from ten on, else with one digit. */
function count(rate: number): string {
  return rate >= 10 || rate === 0 ? String(Math.round(rate)) : rate.toFixed(1);
}
