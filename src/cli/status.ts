import type { Announcement, Problem, ServiceSummary, Status, Vip } from '../admin/api.ts';
import { type Answer, askAll, askAllPages } from './admin-client.ts';
import { EXIT } from './exit-code.ts';
import { ago, andMore, plural, problemLine } from './format.ts';
import { type Io, paint } from './io.ts';
import { mergeProblems, mergeSummaries, mergeVips, valuesOf } from './merge.ts';
import { dropText, otherBox, reasonText } from './reasons.ts';
import { type Cell, paragraph, table } from './table.ts';

/** Rows of the address table on a terminal; what is not well comes first. `--json` has them all. */
const VIPS_SHOWN = 40;
const REFUSED_SHOWN = 20;
const PROBLEMS_SHOWN = 20;

/** What all processes of the box say together. */
export interface BoxStatus {
  readonly processes: readonly Answer<Status>[];
  readonly vips: readonly Vip[];
  /** Services of ours without all they ask for. */
  readonly refused: readonly ServiceSummary[];
  readonly problems: readonly Problem[];
}

export async function readStatus(runDir: string, instances: readonly string[]): Promise<BoxStatus> {
  const [processes, vips, services] = await Promise.all([
    askAll<Status>(runDir, instances, '/v1/status'),
    askAllPages<Vip>(runDir, instances, '/v1/vips'),
    askAllPages<ServiceSummary>(runDir, instances, '/v1/services'),
  ]);
  return {
    processes,
    vips: mergeVips(valuesOf(vips)),
    refused: mergeSummaries(valuesOf(services)).filter(
      ({ ours, refusal, addresses }) => ours && (refusal !== undefined || addresses.length === 0),
    ),
    problems: mergeProblems(valuesOf(processes).map((status) => status.problems)),
  };
}

/** What needs somebody's attention, in a few words each; empty when all is well. */
export function attention(status: BoxStatus): string[] {
  const silent = status.processes.filter((answer) => !answer.ok);
  const roles = valuesOf(status.processes).flatMap((process) => process.roles);
  const notReady = roles.filter(({ ready }) => !ready).map(({ role }) => role);
  const sessionsDown = valuesOf(status.processes).reduce(
    (sum, { bgp }) => sum + (bgp ? bgp.sessions - bgp.established : 0),
    0,
  );
  const unserved = status.vips.filter((vip) => vipState(vip) !== '').length;
  const errors = status.problems.filter(({ severity }) => severity === 'error').length;
  return [
    ...silent.map(({ instance }) => `${instance} does not answer`),
    ...notReady.map((role) => `${role} is not ready`),
    ...(sessionsDown > 0 ? [`${plural(sessionsDown, 'BGP session')} down`] : []),
    ...(unserved > 0 ? [`${plural(unserved, 'address')} not served`] : []),
    ...(status.refused.length > 0
      ? [`${plural(status.refused.length, 'Service')} without all addresses`]
      : []),
    ...(errors > 0 ? [plural(errors, 'error')] : []),
  ];
}

/** 0 when all is well, 3 when nobody answers, else 1. */
export function statusExitCode(status: BoxStatus): number {
  if (valuesOf(status.processes).length === 0) return EXIT.unreachable;
  return attention(status).length > 0 ? EXIT.problem : EXIT.ok;
}

export function renderStatus(io: Io, status: BoxStatus): string {
  const needs = attention(status);
  const [one] = valuesOf(status.processes);
  const box = one ? `Tidegate ${one.version} on ${one.node}` : 'Tidegate';
  const verdict =
    needs.length === 0 ? paint(io, 'good', 'all is well') : paint(io, 'bad', needs.join(', '));
  return [
    `${paint(io, 'bold', box)}: ${verdict}\n`,
    roleTable(io, status.processes),
    clusterTable(io, valuesOf(status.processes)),
    vipTable(io, status.vips),
    refusedList(io, status.refused),
    problemList(io, status.problems),
    dropTable(io, valuesOf(status.processes)),
  ]
    .filter(Boolean)
    .join('\n');
}

function roleTable(io: Io, processes: readonly Answer<Status>[]): string {
  const rows = processes.flatMap((answer): Cell[][] => {
    if (!answer.ok) {
      const { message, remedy } = answer.failure;
      return [[answer.instance, { text: 'no', tone: 'bad' }, '-', '-', `${message}. ${remedy}`]];
    }
    const { roles, revision, startedAt } = answer.value;
    return roles.map(({ role, ready, reason }): Cell[] => [
      role,
      { text: ready ? 'yes' : 'no', tone: ready ? 'good' : 'bad' },
      String(revision),
      ago(startedAt, io.nowMs()),
      ready ? roleDetail(role, answer.value) : reason,
    ]);
  });
  return table(io, ['ROLE', 'READY', 'REVISION', 'UP', 'DETAIL'], rows);
}

/** How each process reads the API server; nothing where none does. */
function clusterTable(io: Io, processes: readonly Status[]): string {
  const rows = processes.flatMap(({ instance, cluster }): Cell[][] => {
    if (!cluster) return [];
    const objects = cluster.kinds.reduce((sum, kind) => sum + kind.objects, 0);
    const leader = cluster.leads ? 'this one' : cluster.leader || '-';
    return [[instance, cluster.server, contactCell(cluster), String(objects), leader]];
  });
  if (rows.length === 0) return '';
  return table(io, ['PROCESS', 'API SERVER', 'CONTACT', 'OBJECTS', 'LEADER'], rows);
}

function contactCell(cluster: NonNullable<Status['cluster']>): Cell {
  const { synced, remembered, troubleSeconds } = cluster;
  const since = troubleSeconds > 0 ? `, cannot read for ${Math.ceil(troubleSeconds)} s` : '';
  if (remembered) return { text: `remembered${since}`, tone: 'warn' };
  if (!synced) return { text: `waiting${since}`, tone: 'bad' };
  return since === ''
    ? { text: 'ok', tone: 'good' }
    : { text: since.slice(', '.length), tone: 'warn' };
}

function roleDetail(role: string, status: Status): string {
  const { services, flows, links, ports } = status;
  switch (role) {
    case 'controller':
      return `${services.withAddress} of ${plural(services.ours, 'Service')} with an address`;
    case 'speaker': {
      const on = `on ${(ports ?? []).map(({ name }) => name).join(', ') || 'no interface'}`;
      const { sessions = 0, established = 0 } = status.bgp ?? {};
      return sessions > 0 ? `${on}, ${established} of ${plural(sessions, 'BGP session')} up` : on;
    }
    default: {
      const on = (links ?? []).map(({ name, mode }) => `${name} (${mode})`).join(', ');
      return `${flows?.used ?? 0} of ${flows?.limit ?? 0} flows, on ${on || 'no interface'}`;
    }
  }
}

/** What is not well with an address; empty when it is served and announced, as far as known. */
function vipState({ serving, announcement }: Vip): string {
  if (serving && !serving.servable) return serving.reason;
  if (!announcement || announcement.announced || otherBox(announcement) !== '') return '';
  return announcement.reason;
}

function vipTable(io: Io, vips: readonly Vip[]): string {
  if (vips.length === 0) return paint(io, 'dim', 'No address is in use.\n');
  const sorted = [...vips].sort((a, b) => Number(!vipState(a)) - Number(!vipState(b)));
  const rows = sorted.slice(0, VIPS_SHOWN).map((vip): Cell[] => {
    const state = vipState(vip);
    const { serving, announcement, traffic } = vip;
    return [
      vip.address,
      vip.services.join(','),
      vip.pool ?? '-',
      announcement ? announcedCell(announcement) : '?',
      serving ? `${serving.usable}/${serving.total}` : '?',
      traffic ? String(traffic.newFlows) : '?',
      stateCell(state, serving !== undefined || announcement !== undefined),
    ];
  });
  const headings = ['ADDRESS', 'SERVICE', 'POOL', 'ANNOUNCED', 'BACKENDS', 'FLOWS', 'STATE'];
  return table(io, headings, rows) + andMore(vips.length - rows.length, 'address');
}

function announcedCell(announcement: Announcement): string {
  const other = otherBox(announcement);
  const { interfaces, peers } = announcement;
  return other === '' ? [...interfaces, ...peers].join(',') || 'no' : `by ${other}`;
}

/** "ok" is said only of what somebody looked at. */
function stateCell(state: string, isKnown: boolean): Cell {
  if (state !== '') return { text: reasonText(state), tone: 'bad' };
  return isKnown ? { text: 'ok', tone: 'good' } : { text: 'not known', tone: 'warn' };
}

function refusedList(io: Io, refused: readonly ServiceSummary[]): string {
  if (refused.length === 0) return '';
  const rows = refused
    .slice(0, REFUSED_SHOWN)
    .map(({ service, refusal }): Cell[] => [
      service,
      refusal?.reason ?? 'pending',
      refusal ? `${refusal.message}. ${refusal.remedy}` : 'The controller has not decided yet',
    ]);
  return (
    `${paint(io, 'bold', 'Services without all their addresses')}\n` +
    table(io, ['SERVICE', 'REASON', 'WHY'], rows, '  ') +
    andMore(refused.length - rows.length, 'Service')
  );
}

function problemList(io: Io, problems: readonly Problem[]): string {
  if (problems.length === 0) return '';
  const shown = problems.slice(0, PROBLEMS_SHOWN);
  return (
    `${paint(io, 'bold', 'Problems')}\n` +
    shown.map((problem) => paragraph(io, problemLine(problem), '  ')).join('') +
    andMore(problems.length - shown.length, 'problem')
  );
}

function dropTable(io: Io, processes: readonly Status[]): string {
  const drops = processes.flatMap((status) => Object.entries(status.drops ?? {}));
  if (drops.length === 0) return '';
  const rows = drops
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]): Cell[] => [name, String(count), dropText(name)]);
  return (
    `${paint(io, 'bold', 'Dropped packets')}\n` +
    table(io, ['REASON', 'PACKETS', 'MEANS'], rows, '  ')
  );
}
