import type { BfdSessionList } from '../../admin/api-bgp.ts';
import { nameOf } from '../../domain/object.ts';
import { ago } from '../format.ts';
import { type Io, paint } from '../io.ts';
import { type Cell, table } from '../table.ts';

export function renderBfd(io: Io, { items, drops }: BfdSessionList): string {
  if (items.length === 0) return 'No peer is watched by BFD.\n';
  const rows = items.map((session): Cell[] => [
    nameOf(session.peer),
    [session.remoteAddress, session.interface].filter(Boolean).join(' '),
    bfdCell(session.state),
    ago(session.since, io.nowMs()),
    `${session.transmitIntervalMs}/${session.receiveIntervalMs} ms`,
    `${session.detectionTimeMs} ms`,
    String(session.downEvents),
    whyDown(session),
  ]);
  const headings = ['PEER', 'ADDRESS', 'STATE', 'FOR', 'TX/RX', 'DETECTS', 'DOWNS', 'WHY'];
  const refused = Object.entries(drops)
    .filter(([, count]) => count > 0)
    .map(([reason, count]): Cell[] => [reason, String(count), REFUSALS[reason] ?? '']);
  return [
    table(io, headings, rows),
    refused.length > 0
      ? `${paint(io, 'bold', 'Refused packets')}\n${table(io, ['REASON', 'PACKETS', 'MEANS'], refused, '  ')}`
      : '',
  ]
    .filter(Boolean)
    .join('\n');
}

function whyDown(session: BfdSessionList['items'][number]): string {
  const { obstacle, state, localDiagnostic, remoteDiagnostic, remoteState, packetsDropped } =
    session;
  if (obstacle !== '') return obstacle;
  if (state === 'Up') return '-';
  const said = `here: ${localDiagnostic}; there: ${remoteState}, ${remoteDiagnostic}`;
  return packetsDropped > 0 ? `${said}; ${packetsDropped} of its packets were refused` : said;
}

/** What an operator can do something about. */
const REFUSALS: Readonly<Record<string, string>> = {
  ttl: 'from too far away; multihop BIRD begins with 64: lower minimumTtl',
  unknownSource: 'from somebody who is not watched',
  wrongPort: 'one side takes the other for a neighbour, and that one for routers away',
  unauthenticated: 'without a key, and one is configured here',
  unexpectedAuthentication: 'with a key, and none is configured here',
  wrongAuthenticationType: 'with another kind of authentication than keyed SHA1',
  wrongKeyId: 'with another key ID than 1',
  wrongSequence: 'sent again, or after many that were lost',
  wrongDigest: 'the key differs',
  adminDown: 'of a session that was ended here',
};

export function bfdCell(state: string): Cell {
  return { text: state, tone: state === 'Up' ? 'good' : 'bad' };
}
