import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { announcedVerdict, type Concerned, watchObserved } from '../../src/controller/observed.ts';
import { openLedger } from '../../src/system/ledger.ts';
import {
  encodeAnnouncement,
  encodeServing,
  FORWARDER_REPORT,
  SPEAKER_REPORT,
} from '../../src/system/reports.ts';
import { address as addr } from '../support/objects.ts';

test('watchObserved() reads what forwarder and speaker report, and tells of changes', async (t) => {
  const runDir = await mkdtemp(join(tmpdir(), 'tidegate-observed-'));
  t.teardown(() => rm(runDir, { recursive: true }));
  const observed = watchObserved(runDir);
  t.teardown(() => observed.close());
  const address = addr('192.0.2.1');
  const service = 'default/web';
  t.like(observed.serving(service, address), { status: 'Unknown', reason: 'forwarderNotReady' });
  t.like(observed.announced(service, address), { status: 'Unknown', reason: 'notReported' });

  const told: Concerned[] = [];
  let wake = () => {};
  const unsubscribe = observed.subscribe((concerned) => {
    told.push(concerned);
    wake();
  });
  const next = () => new Promise<void>((resolve) => (wake = resolve));

  const forwarder = await openLedger(join(runDir, FORWARDER_REPORT), { durable: false });
  t.teardown(() => forwarder.close());
  const serving = {
    address,
    service: 'default/web',
    servable: false,
    usableBackends: 0,
    backends: 2,
    reason: 'noEndpoints',
    revision: 3,
  };
  let change = next();
  await forwarder.put([['192.0.2.1', encodeServing(serving)]]);
  await change;
  t.like(observed.serving(service, address), { status: 'False', reason: 'noEndpoints' });

  change = next();
  await forwarder.put([['!ready', { ready: true, atMs: 1 }]]);
  await change;
  const other = addr('192.0.2.2');
  t.like(observed.serving(service, other), { status: 'Unknown', reason: 'notForwarded' });

  const speaker = await openLedger(join(runDir, SPEAKER_REPORT), { durable: false });
  t.teardown(() => speaker.close());
  const announcement = {
    address,
    announced: true,
    interfaces: ['eth0'],
    peers: [],
    reason: '',
    sinceMs: 5,
  };
  change = next();
  await speaker.put([['192.0.2.1', encodeAnnouncement(announcement)]]);
  await change;
  t.like(observed.announced(service, address), {
    status: 'True',
    message: '192.0.2.1 on eth0',
  });
  t.deepEqual(told, [{ addresses: [address] }, 'all', { addresses: [address] }]);
  t.deepEqual(observed.announcers(service), []);

  unsubscribe();
  observed.close();
});

test('announcedVerdict() says on which interfaces and to which peers', (t) => {
  const address = addr('192.0.2.1');
  const messageOf = (interfaces: readonly string[], peers: readonly string[]) =>
    announcedVerdict(address, { announced: true, interfaces, peers, reason: '' }).message;
  t.is(messageOf(['eth0', 'eth1'], []), '192.0.2.1 on eth0, eth1');
  t.is(messageOf([], ['tor-a', 'tor-b']), '192.0.2.1 by BGP to tor-a, tor-b');
  t.is(messageOf(['eth0'], ['tor-a']), '192.0.2.1 on eth0 and by BGP to tor-a');
});
