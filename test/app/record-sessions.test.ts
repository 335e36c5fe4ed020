import test from 'ava';
import { recordSessions } from '../../src/app/record-sessions.ts';
import type { BgpSession } from '../../src/domain/bgp/bgp-session.ts';
import { createEventHistory } from '../../src/telemetry/event-history.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { address } from '../support/objects.ts';

test('recordSessions() tells of sessions that come up, and why they end', (t) => {
  const history = createEventHistory(fakeClock());
  let tell = (_: BgpSession) => {};
  const stop = recordSessions(
    {
      onChange(listener) {
        tell = listener;
        return () => {
          tell = () => {};
        };
      },
    },
    history,
  );
  const base = {
    peer: 'metallb-system/tor',
    remoteAddress: address('192.0.2.1'),
    interface: undefined,
    capabilities: ['IPv4 unicast'],
    holdTimeMs: 90_000,
    lastError: {
      sent: { text: 'an older one', atMs: 1 },
      received: { text: 'Shut down on purpose', atMs: 2 },
      transport: undefined,
    },
  } as Partial<BgpSession> as BgpSession;
  tell({ ...base, state: 'Connect' });
  tell({ ...base, state: 'Established' });
  tell({ ...base, state: 'Established' });
  tell({ ...base, state: 'Idle' });
  tell({ ...base, state: 'Active' });
  stop();
  tell({ ...base, state: 'Established' });
  t.deepEqual(
    history.newest(10).map(({ reason, message, object }) => [reason, message, object?.key]),
    [
      ['BgpSessionUp', '192.0.2.1: IPv4 unicast, hold time 90 s', 'metallb-system/tor'],
      ['BgpSessionDown', '192.0.2.1: Shut down on purpose', 'metallb-system/tor'],
    ],
  );
});
