import type { BgpSession } from '../../admin/api-bgp.ts';
import { nameOf } from '../../domain/object.ts';
import { facts } from '../facts.ts';
import { ago, bytes, when } from '../format.ts';
import { type Io, paint } from '../io.ts';
import { type Cell, table } from '../table.ts';
import { bfdCell } from './bfd-sessions.ts';

export function renderSessions(io: Io, sessions: readonly BgpSession[]): string {
  if (sessions.length === 0) return 'No BGPPeer chooses this box.\n';
  const rows = sessions.map((session): Cell[] => [
    nameOf(session.peer),
    placeOf(session),
    String(session.peerAsn),
    { text: session.state, tone: session.state === 'Established' ? 'good' : 'bad' },
    ago(session.since, io.nowMs()),
    toldText(session),
    receivedText(session),
    session.bfd ? bfdCell(session.bfd.state) : '-',
  ]);
  const headings = ['PEER', 'ADDRESS', 'AS', 'STATE', 'FOR', 'TOLD', 'RECEIVED', 'BFD'];
  const troubles = sessions
    .map((session): Cell[] => [nameOf(session.peer), troubleOf(io, session)])
    .filter(([, trouble]) => trouble !== '');
  return [table(io, headings, rows), table(io, ['PEER', 'WHY'], troubles)]
    .filter(Boolean)
    .join('\n');
}

function placeOf({ remoteAddress, interface: port }: BgpSession): string {
  return [remoteAddress, port].filter((part) => part !== undefined).join(' ');
}

function toldText({ prefixes }: BgpSession): string {
  return `${prefixes.announced}${prefixes.pending > 0 ? `, ${prefixes.pending} to come` : ''}`;
}

function receivedText({ prefixes }: BgpSession): string {
  return `${prefixes.received}${prefixes.receivedMore ? ' and more' : ''}`;
}

/** What is not well with a session, by the newest word on it; empty when nothing is. */
function troubleOf(io: Io, session: BgpSession): string {
  const { obstacle, state, queuedBytes, bfd } = session;
  if (obstacle !== '') return obstacle;
  const [last] = errorsOf(session);
  if (state !== 'Established')
    return last ? `${last.who}: ${last.text} (${ago(last.at, io.nowMs())} ago)` : '';
  if (bfd?.obstacle) return `BFD: ${bfd.obstacle}`;
  return queuedBytes > 0 ? `${bytes(queuedBytes)} wait for it to read` : '';
}

/** The newest first. */
function errorsOf({ lastError: { sent, received, transport } }: BgpSession) {
  const all = [
    { who: 'We closed', error: sent },
    { who: 'It closed', error: received },
    { who: 'Connection', error: transport },
  ];
  return all
    .flatMap(({ who, error }) => (error ? [{ who, ...error }] : []))
    .sort((a, b) => (a.at < b.at ? 1 : -1));
}

/** All of one session. */
export function renderSession(io: Io, session: BgpSession): string {
  const { bfd, messages, interface: port } = session;
  const times = session.established > 1 ? `, ${session.established} times so far` : '';
  const rows: [string, string][] = [
    ['State', `${session.state} for ${ago(session.since, io.nowMs())}${times}`],
    ['Obstacle', session.obstacle],
    ['Addresses', `${session.localAddress ?? 'chosen by the kernel'} to ${placeOf(session)}`],
    ['AS', `${session.localAsn} here, ${session.peerAsn} there${port ? `, on ${port}` : ''}`],
    ['Router ID', routerIdText(session)],
    [
      'Timers',
      `hold time ${seconds(session.holdTimeMs)}, keepalive ${seconds(session.keepaliveMs)}`,
    ],
    ['Both have', session.capabilities.join(', ')],
    ['Prefixes', `told ${toldText(session)}; received ${receivedText(session)}`],
    ['To read', session.queuedBytes > 0 ? bytes(session.queuedBytes) : ''],
    ['Sent', messageText(messages, 'Sent')],
    ['Received', messageText(messages, 'Received')],
    ['BFD', bfd ? bfdText(io, bfd) : ''],
    ...errorsOf(session).map(({ who, text, at }): [string, string] => [
      who,
      `${text} (${when(at, io.nowMs())})`,
    ]),
  ];
  return `${paint(io, 'bold', `BGPPeer ${session.peer}`)}\n${facts(io, rows)}`;
}

function routerIdText({ localRouterId, peerRouterId }: BgpSession): string {
  return [localRouterId && `${localRouterId} here`, peerRouterId && `${peerRouterId} there`]
    .filter(Boolean)
    .join(', ');
}

function seconds(ms: number): string {
  return ms === 0 ? 'none' : `${ms / 1000} s`;
}

/** RFC 4271 §4.1 and RFC 2918, as the standards write them. */
const MESSAGES = {
  OPEN: 'opens',
  UPDATE: 'updates',
  KEEPALIVE: 'keepalives',
  NOTIFICATION: 'notifications',
  'ROUTE-REFRESH': 'refreshes',
} as const;

function messageText(messages: BgpSession['messages'], way: 'Sent' | 'Received'): string {
  return Object.entries(MESSAGES)
    .map(([name, kind]) => `${name} ${messages[`${kind}${way}`]}`)
    .join(', ');
}

function bfdText(io: Io, bfd: NonNullable<BgpSession['bfd']>): string {
  const { state, since, detectionTimeMs, obstacle } = bfd;
  const limit = detectionTimeMs > 0 ? `, down after ${detectionTimeMs} ms of silence` : '';
  return `${state} for ${ago(since, io.nowMs())}${limit}${obstacle && `; ${obstacle}`}`;
}
