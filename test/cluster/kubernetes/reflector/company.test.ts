import test from 'ava';
import { createCompany, SPREAD_MS } from '../../../../src/cluster/kubernetes/reflector/company.ts';
import type { Reflector } from '../../../../src/cluster/kubernetes/reflector/reflector.ts';
import {
  INITIAL_STATE,
  type ReflectorState,
} from '../../../../src/cluster/kubernetes/reflector/reflector-state.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { fakeClock } from '../../../support/fake-clock.ts';

/** A reflector whose state is what the test says. */
function member() {
  let state = INITIAL_STATE;
  let listener: ((state: ReflectorState) => void) | undefined;
  let retries = 0;
  const set = (change: Partial<ReflectorState>) => {
    state = { ...state, ...change };
    listener?.(state);
  };
  return {
    state: () => state,
    onState: ((each) => {
      listener = each;
      return () => {
        listener = undefined;
      };
    }) satisfies Reflector['onState'],
    retry() {
      retries += 1;
    },
    retries: () => retries,
    fail(status: number, reason: string, retryAfterMs?: number) {
      const lastError = new ApiError(reason, { status, reason, retryAfterMs });
      set({ failures: state.failures + 1, lastError });
    },
    works: () => set({ failures: 0, lastError: undefined }),
  };
}

function company(random = 0.5) {
  const clock = fakeClock();
  return { clock, ...createCompany(clock, () => random) };
}

test('createCompany() has all that wait because of an outage try when one gets through', (t) => {
  const { clock, join } = company();
  const members = [member(), member(), member()] as const;
  for (const each of members) join(each);
  const [first, second, third] = members;
  first.fail(0, 'ConnectionRefused');
  second.fail(0, 'Timeout');
  third.fail(503, 'ServiceUnavailable');
  first.works();
  clock.advance(SPREAD_MS / 2 - 1);
  t.deepEqual(
    members.map((each) => each.retries()),
    [0, 0, 0],
  );
  clock.advance(1);
  t.deepEqual(
    members.map((each) => each.retries()),
    [0, 1, 1],
  );
});

test('createCompany() leaves alone who was refused, or asked to wait, or is back by itself', (t) => {
  const { clock, join } = company();
  const [first, refused, asked, back, fine] = [member(), member(), member(), member(), member()];
  for (const each of [first, refused, asked, back, fine]) join(each);
  first.fail(0, 'ConnectionLost');
  refused.fail(403, 'Forbidden');
  asked.fail(503, 'ServiceUnavailable', 5000);
  back.fail(0, 'ConnectionLost');
  first.works();
  back.works();
  clock.advance(SPREAD_MS);
  t.deepEqual(
    [refused, asked, back, fine].map((each) => each.retries()),
    [0, 0, 0, 0],
  );
});

test('createCompany() tells nobody of a success that follows no outage', (t) => {
  const { clock, join } = company();
  const [first, second] = [member(), member()];
  join(first);
  join(second);
  second.fail(0, 'ConnectionLost');
  first.fail(403, 'Forbidden');
  first.works();
  first.works();
  clock.advance(SPREAD_MS);
  t.is(second.retries(), 0);
});

test('createCompany() forgets who leaves, and everybody at the end', (t) => {
  const { clock, join, stop } = company();
  const [first, second, third] = [member(), member(), member()];
  join(first);
  const leave = join(second);
  join(third);
  for (const each of [first, second, third]) each.fail(0, 'Unreachable');
  leave();
  first.works();
  clock.advance(SPREAD_MS);
  t.deepEqual([second.retries(), third.retries()], [0, 1]);
  first.fail(0, 'Unreachable');
  first.works();
  stop();
  clock.advance(SPREAD_MS);
  t.is(third.retries(), 1);
});
