import test from 'ava';
import { createSessionLog } from '../../../src/speaker/bgp/session-log.ts';
import { recordingLog } from '../../support/recording-log.ts';

test('an error that comes with every attempt is told once', (t) => {
  const log = recordingLog();
  const session = createSessionLog(log);
  const none = { sent: undefined, received: undefined, transport: undefined };
  session.trouble('192.0.2.1', none);
  for (const atMs of [1, 2, 3])
    session.trouble('192.0.2.1', { ...none, transport: { text: 'No answer', atMs } });
  const lost = {
    kind: 'lost',
    connection: 'out:1',
    reason: 'Hold timer',
    routesKept: false,
  } as const;
  session.down(lost, false);
  session.trouble('192.0.2.1', {
    ...none,
    transport: { text: 'No answer', atMs: 3 },
    sent: { text: 'Hold timer', atMs: 4 },
  });
  session.down(lost, true);
  t.deepEqual(
    log.lines.map(({ level, message, fields }) => [level, message, fields['error']]),
    [
      ['warn', 'Trouble with a BGP session', 'No answer'],
      ['warn', 'BGP session is down', undefined],
      ['info', 'BGP session is down', undefined],
    ],
  );
});
