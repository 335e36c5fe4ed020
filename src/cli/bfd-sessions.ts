import type { BfdSessionList } from '../admin/api-bgp.ts';
import { nameOf } from '../domain/object.ts';
import { ago } from './format.ts';
import { type Io, paint } from './io.ts';
import { type Cell, table } from './table.ts';

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
    .map(([reason, count]): Cell[] => [reason, String(count)]);
  return [
    table(io, headings, rows),
    refused.length > 0
      ? `${paint(io, 'bold', 'Refused packets')}\n${table(io, ['REASON', 'PACKETS'], refused, '  ')}`
      : '',
  ]
    .filter(Boolean)
    .join('\n');
}

function whyDown(session: BfdSessionList['items'][number]): string {
  const { obstacle, state, localDiagnostic, remoteDiagnostic, remoteState } = session;
  if (obstacle !== '') return obstacle;
  if (state === 'Up') return '-';
  return `here: ${localDiagnostic}; there: ${remoteState}, ${remoteDiagnostic}`;
}

export function bfdCell(state: string): Cell {
  return { text: state, tone: state === 'Up' ? 'good' : 'bad' };
}
