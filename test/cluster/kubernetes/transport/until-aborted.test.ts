import test from 'ava';
import { untilAborted } from '../../../../src/cluster/kubernetes/transport/until-aborted.ts';

test('untilAborted() gives what the promise gives', async (t) => {
  const { signal } = new AbortController();
  t.is(await untilAborted(Promise.resolve(1), signal), 1);
  await t.throwsAsync(untilAborted(Promise.reject(new Error('no')), signal), { message: 'no' });
});

test('untilAborted() rejects with the signal’s reason, before and while it waits', async (t) => {
  const never = new Promise(() => {});
  const reason = new Error('enough');
  await t.throwsAsync(untilAborted(never, AbortSignal.abort(reason)), { is: reason });
  const controller = new AbortController();
  const waiting = t.throwsAsync(untilAborted(never, controller.signal), { is: reason });
  controller.abort(reason);
  await waiting;
});

test('untilAborted() leaves no rejection unheard', async (t) => {
  const late = Promise.reject(new Error('late'));
  await t.throwsAsync(untilAborted(late, AbortSignal.abort(new Error('first'))), {
    message: 'first',
  });
});
