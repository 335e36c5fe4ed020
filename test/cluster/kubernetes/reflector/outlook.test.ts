import test from 'ava';
import { createOutlook } from '../../../../src/cluster/kubernetes/reflector/outlook.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

function listed() {
  const clock = fakeClock();
  const outlook = createOutlook(clock, () => 0);
  outlook.listed();
  return { clock, outlook };
}

function failure(reason: string, status = 0): ApiError {
  return new ApiError(reason, { status, reason });
}

test('createOutlook() lists first, then watches', (t) => {
  t.is(createOutlook(fakeClock(), () => 0).next(), 'list');
  t.is(listed().outlook.next(), 'watch');
});

test('createOutlook() verifies the history after a failure or a silent watch, then resumes', (t) => {
  const { outlook } = listed();
  t.is(outlook.failed(failure('ConnectionLost')), 200);
  t.is(outlook.next(), 'verify');
  outlook.verified(false);
  t.is(outlook.next(), 'watch');
  outlook.doubts();
  t.is(outlook.next(), 'verify');
  outlook.verified(true);
  t.is(outlook.next(), 'list');
});

test('createOutlook() lists when contact was lost for long, counted from the first failure', (t) => {
  for (const [ms, next] of [
    [5_000, 'watch'],
    [5_001, 'list'],
  ] as const) {
    const { outlook, clock } = listed();
    outlook.failed(failure('ConnectionRefused'));
    clock.advance(5_000);
    outlook.failed(failure('ConnectionRefused'));
    clock.advance(ms);
    outlook.verified(false);
    t.is(outlook.next(), next);
  }
});

test('createOutlook() lists at once after a dead link, and after a sink that threw', (t) => {
  for (const error of [failure('Timeout'), new TypeError('no')]) {
    const { outlook } = listed();
    outlook.failed(error);
    t.is(outlook.next(), 'list');
  }
});

test('createOutlook() takes 410 for no failure, until it comes again before a watch worked', (t) => {
  const { outlook } = listed();
  const expired = failure('Expired', 410);
  t.is(outlook.failed(expired), undefined);
  t.is(outlook.next(), 'list');
  outlook.listed();
  t.is(outlook.failed(expired), 200);
  outlook.works();
  t.is(outlook.failed(expired), undefined);
});

test('createOutlook() lists when what cannot be understood comes twice', (t) => {
  for (const reason of ['Garbage', 'TooLarge', 'BadRequest', 'InternalError', 'Invalid']) {
    const { outlook } = listed();
    outlook.failed(failure(reason));
    t.is(outlook.next(), 'verify');
    outlook.failed(failure(reason));
    t.is(outlook.next(), 'list');
  }
});

test('createOutlook() goes on resuming where a list would fail alike', (t) => {
  const { outlook } = listed();
  for (let i = 0; i < 5; i += 1) outlook.failed(failure('Forbidden', 403));
  t.is(outlook.next(), 'verify');
});
