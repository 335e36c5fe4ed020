import test from 'ava';
import { createSessionLog } from '../../../../src/speaker/bgp/session/session-log.ts';
import { recordingLog } from '../../../support/recording-log.ts';

test('errors that come with every attempt are told once between two sessions, and none of before', (t) => {
  const log = recordingLog();
  const session = createSessionLog(log);
  const none = { sent: undefined, received: undefined, transport: undefined };
  session.trouble('192.0.2.1', none);
  for (const atMs of [1, 2, 3, 4])
    session.trouble('192.0.2.1', {
      ...none,
      transport: { text: atMs % 2 ? 'No answer' : 'Refused', atMs },
    });
  const lost = {
    kind: 'lost',
    connection: 'out:1',
    reason: 'Hold timer',
    routesKept: false,
  } as const;
  session.down(lost, false);
  session.trouble('192.0.2.1', {
    ...none,
    transport: { text: 'No answer', atMs: 4 },
    sent: { text: 'Hold timer', atMs: 5 },
  });
  session.down(lost, true);
  session.up('192.0.2.1', '');
  session.trouble('192.0.2.1', { ...none, sent: { text: 'Hold timer', atMs: 5 } });
  session.trouble('192.0.2.1', { ...none, transport: { text: 'No answer', atMs: 6 } });
  t.deepEqual(
    log.lines.map(({ level, message, fields }) => [level, message, fields['error']]),
    [
      ['warn', 'Trouble with a BGP session', 'No answer'],
      ['warn', 'Trouble with a BGP session', 'Refused'],
      ['warn', 'BGP session is down', undefined],
      ['info', 'BGP session is down', undefined],
      ['info', 'BGP session is up', undefined],
      ['warn', 'Trouble with a BGP session', 'No answer'],
    ],
  );
});
