import test from 'ava';
import { createComplaints } from '../../../../src/cluster/kubernetes/reflector/complaints.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';

function start() {
  const clock = fakeClock();
  const log = recordingLog();
  const complaints = createComplaints(log, clock, { failed: 'Cannot', recovered: 'Again' });
  const fail = (reason: string) => complaints.failed(new ApiError(reason, { status: 0, reason }));
  return { clock, complaints, fail, levels: () => log.lines.map(({ level }) => level).join(' ') };
}

test('createComplaints() tells each kind of failure at once, and again each minute', (t) => {
  const { clock, fail, levels } = start();
  for (let second = 0; second < 120; second += 1) {
    fail('Timeout');
    if (second > 30) fail('Forbidden');
    clock.advance(1_000);
  }
  t.is(levels(), 'warn warn warn warn');
});

test('createComplaints() tells the end of what it has told, not of each failure', (t) => {
  const { clock, complaints, fail, levels } = start();
  complaints.recovered();
  for (let i = 0; i < 30; i += 1) {
    fail('Timeout');
    clock.advance(1_000);
    complaints.recovered();
  }
  t.is(levels(), 'warn info');
});

test('createComplaints() tells of a missing kind once, until it has been there', (t) => {
  const { clock, complaints, fail, levels } = start();
  for (let minute = 0; minute < 100; minute += 1) {
    fail('NotFound');
    clock.advance(60_000);
  }
  t.is(levels(), 'warn');
  complaints.recovered();
  fail('NotFound');
  t.is(levels(), 'warn info warn');
});
