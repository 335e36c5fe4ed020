import test from 'ava';
import { createContact } from '../../../../src/cluster/kubernetes/reading/contact.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';

const SERVER = 'https://10.0.0.1:6443';
const away = (kind: string) => ({ kind, error: new Error('connection refused') });

test('lost contact is told once for all kinds, then once a minute, and its end', (t) => {
  const clock = fakeClock();
  const log = recordingLog();
  const contact = createContact({ server: () => SERVER, clock, log });
  const lines = () => log.lines.map(({ level, fields }) => [level, fields['kinds'], fields['ms']]);
  contact.update([]);
  t.deepEqual(lines(), []);
  contact.update([away('Service')]);
  contact.update([away('Service'), away('Node')]);
  t.deepEqual(lines(), [['warn', 'Service', 0]]);
  clock.advance(150_000);
  t.deepEqual(lines().slice(1), [
    ['warn', 'Service, Node', 60_000],
    ['warn', 'Service, Node', 120_000],
  ]);
  t.is(contact.troubleMs(), 150_000);
  contact.update([]);
  t.deepEqual(lines().slice(3), [['info', undefined, 150_000]]);
  t.is(contact.troubleMs(), 0);
  clock.advance(120_000);
  t.is(log.lines.length, 4);
});

test('problems() says which kinds cannot be read and why, the same reason once', (t) => {
  const contact = createContact({
    server: () => SERVER,
    clock: fakeClock(),
    log: recordingLog(),
  });
  const refused = (kind: string, status: number, reason: string) => ({
    kind,
    error: new ApiError(`GET /${kind}: ${reason}`, { status, reason }),
  });
  contact.update([
    refused('Service', 500, 'InternalError'),
    refused('Pod', 403, 'Forbidden'),
    refused('Node', 500, 'InternalError'),
    refused('Lease', 403, 'Forbidden'),
  ]);
  t.deepEqual(
    contact.problems().map(({ severity, message }) => [severity, message]),
    [
      ['error', 'Service, Node cannot be read: GET /Service: InternalError'],
      ['error', 'Pod cannot be read: GET /Pod: Forbidden'],
      ['error', 'Lease cannot be read: GET /Lease: Forbidden'],
    ],
  );
});

test('a server that cannot be reached is one problem, whatever the requests found out', (t) => {
  const contact = createContact({
    server: () => SERVER,
    clock: fakeClock(),
    log: recordingLog(),
  });
  const lost = (kind: string, reason: string) => ({
    kind,
    error: new ApiError(`GET ${SERVER}/${kind}: why; remedy`, { status: 0, reason }),
  });
  contact.update([
    lost('Service', 'ConnectionRefused'),
    lost('Node', 'ConnectionLost'),
    lost('Pod', 'Timeout'),
    lost('Lease', 'Garbage'),
  ]);
  t.deepEqual(
    contact.problems().map(({ message }) => message),
    [
      `The API server ${SERVER} cannot be reached: why; remedy`,
      `Lease cannot be read: GET ${SERVER}/Lease: why; remedy`,
    ],
  );
  t.regex(contact.problems()[0]?.remedy ?? '', /^What is known of Service, Node, Pod stays/);
});

test('nothing is told after stop()', (t) => {
  const clock = fakeClock();
  const log = recordingLog();
  const contact = createContact({ server: () => SERVER, clock, log });
  contact.update([away('Service')]);
  contact.stop();
  clock.advance(600_000);
  t.is(log.lines.length, 1);
});

test('what breaks while all is being stopped is not told for ever', (t) => {
  const clock = fakeClock();
  const log = recordingLog();
  const contact = createContact({ server: () => SERVER, clock, log });
  contact.stop();
  contact.update([away('Service')]);
  clock.advance(600_000);
  t.deepEqual(log.lines, []);
});
