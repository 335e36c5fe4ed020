import type { Announcement, Backend, Server, ServiceDetail, Status } from '../admin/api.ts';
import { type Answer, askAll } from './admin-client.ts';
import { EXIT } from './exit-code.ts';
import { facts } from './facts.ts';
import { ago, bytes, endpoint, plural, problemLine, when } from './format.ts';
import { type Io, paint } from './io.ts';
import { mergeDetails, valuesOf } from './merge.ts';
import { nextSteps } from './next-steps.ts';
import { otherBox, reasonText } from './reasons.ts';
import { type Cell, paragraph, table } from './table.ts';

/** Newest events told; `--json` has them all. */
const EVENTS_SHOWN = 10;

export interface Explanation {
  /** `undefined` when nobody knows the Service. */
  readonly detail: ServiceDetail | undefined;
  /** What to do, most important first. */
  readonly nextSteps: readonly string[];
  /** Processes that did not answer. */
  readonly silent: readonly { readonly instance: string; readonly message: string }[];
  /** Whether anybody answered. */
  readonly reached: boolean;
}

export async function readExplanation(
  runDir: string,
  instances: readonly string[],
  key: string,
): Promise<Explanation> {
  const path = `/v1/services/${key.split('/').map(encodeURIComponent).join('/')}`;
  const [answers, states] = await Promise.all([
    askAll<ServiceDetail>(runDir, instances, path),
    askAll<Status>(runDir, instances, '/v1/status'),
  ]);
  const detail = mergeDetails(valuesOf(answers));
  const roles = new Set(valuesOf(states).flatMap((state) => state.roles.map(({ role }) => role)));
  return {
    detail,
    nextSteps: detail ? nextSteps(detail, roles) : [],
    silent: states.flatMap(silentOf),
    reached: states.some(({ ok }) => ok),
  };
}

function silentOf(answer: Answer<unknown>): { instance: string; message: string }[] {
  if (answer.ok) return [];
  const { message, remedy } = answer.failure;
  return [{ instance: answer.instance, message: `${message}. ${remedy}` }];
}

export function explanationExitCode({ detail, nextSteps, reached }: Explanation): number {
  if (!reached) return EXIT.unreachable;
  return detail && nextSteps.length === 0 ? EXIT.ok : EXIT.problem;
}

export function renderExplanation(io: Io, key: string, explanation: Explanation): string {
  const { detail, silent } = explanation;
  const notes = silent
    .map(({ instance, message }) => paragraph(io, `${instance} ${message}`, '! '))
    .join('');
  if (!detail) return `${notes}There is no Service "${key}". See "tidegate status" for all.\n`;
  const pool = detail.pool === undefined ? '' : ` from the pool "${detail.pool}"`;
  return [
    `${paint(io, 'bold', `Service ${detail.service}`)}\n${notes}`,
    facts(io, [
      ['Type', typeText(detail)],
      ['Asks for', requestText(detail)],
      ['Address', detail.addresses.length > 0 ? `${detail.addresses.join(', ')}${pool}` : 'none'],
      ['Refused', detail.refusal ? `${detail.refusal.reason}: ${detail.refusal.message}` : ''],
      ...(detail.announcements ?? []).map((one) => ['Announced', announcedText(io, one)]),
      ...(detail.notes ?? []).map((note) => ['Note', note]),
    ]),
    ...(detail.servers ?? []).map((server) => serverText(io, server)),
    problemText(io, detail),
    eventText(io, detail),
    stepText(io, explanation),
  ]
    .filter(Boolean)
    .join('\n');
}

function announcedText(io: Io, announcement: Announcement): string {
  const { address, announced, reason, since, advertisements = [] } = announcement;
  if (announced) {
    const by = advertisements.length > 0 ? `, by ${advertisements.join(', ')}` : '';
    const where = `${whereText(announcement)} for ${ago(since, io.nowMs())}`;
    return `${address} ${where}${by}${untoldText(announcement)}`;
  }
  const other = otherBox(announcement);
  if (reason === 'notOwner' && other !== '') return `${address} by the box "${other}"`;
  const chosen = other === '' ? '' : `; the box "${other}" does`;
  return `${address} is not: ${reasonText(reason)}${chosen}`;
}

function whereText({ interfaces, peers }: Announcement): string {
  return [
    interfaces.length > 0 ? `on ${interfaces.join(', ')}` : '',
    peers.length > 0 ? `to ${peers.join(', ')}` : '',
  ]
    .filter(Boolean)
    .join(' and ');
}

/** Peers that should have a route to it, and have none. */
function untoldText({ peers, bgp }: Announcement): string {
  const untold = (bgp?.peers ?? []).filter((name) => !peers.includes(name));
  return untold.length > 0 ? `; not to ${untold.join(', ')}, see "tidegate bgp"` : '';
}

function typeText({ spec, ours }: ServiceDetail): string {
  const ports = spec.ports.map(({ port, protocol }) => `${port}/${protocol}`).join(', ');
  const kind = spec.class === undefined ? spec.type : `${spec.type} of class "${spec.class}"`;
  return `${kind}${ours ? '' : ' (not ours)'}, ports ${ports || 'none'}`;
}

function requestText({ spec }: ServiceDetail): string {
  return [
    spec.requestedAddresses ? `address ${spec.requestedAddresses.join(', ')}` : '',
    spec.requestedPool === undefined ? '' : `pool "${spec.requestedPool}"`,
    spec.sharingKey === undefined ? '' : `sharing key "${spec.sharingKey}"`,
  ]
    .filter(Boolean)
    .join(', ');
}

function serverText(io: Io, server: Server): string {
  const { backends, traffic, installed } = server;
  const usable = backends.filter(({ use }) => use === 'active').length;
  const head = [
    `${usable} of ${plural(backends.length, 'backend')} take new flows`,
    ...(traffic
      ? [
          `${plural(traffic.newFlows, 'flow')}`,
          `${bytes(traffic.inBytes)} in`,
          `${bytes(traffic.outBytes)} out`,
        ]
      : []),
    ...(installed && installed.state !== 'done' ? [`in the kernel: ${installed.state}`] : []),
  ].join(', ');
  const name = `${endpoint(server.address, server.port)}/${server.protocol}`;
  return (
    `${paint(io, usable > 0 ? 'good' : 'bad', name)}\n` +
    paragraph(io, head, '  ') +
    paragraph(io, rulesOf(server), '  ') +
    backendTable(io, backends)
  );
}

/** By which rules new flows are taken and given out. */
function rulesOf(server: Server): string {
  const { affinitySeconds, slowStartSeconds, newFlowsPerSecond, sourceRanges } = server;
  const rules: [boolean, string][] = [
    [true, `Chosen by ${server.scheduler}`],
    [affinitySeconds > 0, `clients stay for ${affinitySeconds} s`],
    [slowStartSeconds > 0, `slow start over ${slowStartSeconds} s`],
    [sourceRanges > 0, `only for clients in ${plural(sourceRanges, 'source range')}`],
    [newFlowsPerSecond > 0, `at most ${newFlowsPerSecond} new flows a second`],
    [
      server.clientNewFlowsPerSecond > 0,
      `at most ${server.clientNewFlowsPerSecond} a second from one client`,
    ],
    [server.resetDead, 'connections of failing backends are reset'],
  ];
  return rules
    .filter(([holds]) => holds)
    .map(([, rule]) => rule)
    .join(', ');
}

/** Weights are shown where there are any. */
function backendTable(io: Io, backends: readonly Backend[]): string {
  const weighted = backends.some(({ weight }) => weight !== 1);
  const weightCell = ({ weight }: Backend): Cell[] => (weighted ? [String(weight)] : []);
  const columns = ['USE', 'HEALTH', 'FLOWS', 'WHY'];
  return table(
    io,
    ['BACKEND', 'POD', 'NODE', ...(weighted ? ['WEIGHT'] : []), ...columns],
    backends.map((backend) => backendRow(io, backend, weightCell(backend))),
    '  ',
  );
}

function backendRow(io: Io, backend: Backend, weight: readonly Cell[]): Cell[] {
  const { use, health, nextHop, traffic, sharePercent } = backend;
  const tones = { active: 'good', draining: 'warn', down: 'bad' } as const;
  const since = health?.since ? ` ${ago(health.since, io.nowMs())}` : '';
  const slow = sharePercent === undefined ? '' : `slow start: takes ${sharePercent} % of its share`;
  return [
    endpoint(backend.address, backend.port),
    backend.pod ?? '-',
    backend.node ?? '-',
    ...weight,
    { text: use, tone: tones[use] },
    health ? `${health.state}${since}` : 'not checked',
    traffic ? String(traffic.newFlows) : '-',
    [backend.reason, slow, nextHop?.reason].filter(Boolean).join('; ') || '-',
  ];
}

function problemText(io: Io, { problems }: ServiceDetail): string {
  const written = problems.filter(({ file }) => file !== undefined);
  const others = problems.filter(({ file }) => file === undefined);
  return [
    problemList(io, 'Problems in its manifest', written.map(problemLine)),
    problemList(
      io,
      'Alarms',
      others.map(({ message }) => message),
    ),
  ]
    .filter(Boolean)
    .join('\n');
}

function problemList(io: Io, title: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return `${paint(io, 'bold', title)}\n${lines.map((line) => paragraph(io, line, '  ')).join('')}`;
}

function eventText(io: Io, { statusEvents, events }: ServiceDetail): string {
  const all = [
    ...statusEvents.map(({ last, reason, message, count }) => ({
      at: last,
      reason,
      message: count > 1 ? `${message} (${count} times)` : message,
    })),
    // The controller's are the same, as this process remembers them.
    ...events.filter(({ role }) => role !== 'controller'),
  ].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  if (all.length === 0) return '';
  const rows = all
    .slice(-EVENTS_SHOWN)
    .map(({ at, reason, message }): Cell[] => [when(at, io.nowMs()), reason, message]);
  const title = paint(io, 'bold', 'Last events');
  return `${title}\n${table(io, ['TIME', 'REASON', 'MESSAGE'], rows, '  ')}`;
}

function stepText(io: Io, { nextSteps, detail }: Explanation): string {
  const [server] = detail?.servers ?? [];
  const reach = server ? `: clients reach it at ${endpoint(server.address, server.port)}` : '';
  const steps = nextSteps.length > 0 ? nextSteps : [`Nothing to do${reach}.`];
  const lines = steps.map((step) => paragraph(io, step, '  '));
  return `${paint(io, 'bold', 'Next step')}\n${lines.join('')}`;
}
