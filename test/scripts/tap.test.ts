import test from 'ava';
import { readTap } from '../../scripts/test/tap.ts';

const HEAD = 'TAP version 13';

test('readTap() counts passed, failed and skipped tests and keeps the details of failures', (t) => {
  const text = [
    HEAD,
    'ok 1 - adds',
    '#   a log line',
    'not ok 2 - adds - and subtracts',
    '  ---',
    '    name: AssertionError',
    "    message: 'ok 7 - not a point'",
    '  ...',
    'ok 3 - divides # SKIP',
    '1..3',
    '# tests 2',
    '# pass 1',
    '# skip 1',
    '# fail 1',
  ].join('\n');
  t.deepEqual(readTap(text, 1), {
    passed: 1,
    failed: 1,
    skipped: 1,
    failures: [
      {
        title: 'adds - and subtracts',
        details: ['name: AssertionError', "message: 'ok 7 - not a point'"],
      },
    ],
  });
});

test('readTap() counts a test marked as to do as failed', (t) => {
  const { failed } = readTap(`${HEAD}\nok 1 - a\nnot ok 2 - b # TODO\n1..2\n# fail 1`, 0);
  t.is(failed, 1);
});

test('readTap() counts tests that only the summary knows as failed', (t) => {
  const text = `${HEAD}\nnot ok 1 - a.test.ts exited due to SIGKILL\n1..2\n# fail 3`;
  const { failed, failures } = readTap(text, 1);
  t.is(failed, 3);
  t.is(failures[1]?.title, '2 of its tests did not come to an end');
});

test('readTap() counts a file as failed when ava ended early, empty or with an exit code', (t) => {
  t.like(readTap(`${HEAD}\nok 1 - a`, 1), { passed: 1, failed: 1 });
  t.like(readTap('', 1), { passed: 0, failed: 1 });
  t.like(readTap(`${HEAD}\nok 1 - a\n1..1\n# fail 0`, 1), { passed: 1, failed: 1 });
  t.like(readTap(`${HEAD}\n1..0\n# fail 0`, 0), { passed: 0, failed: 1 });
});

test('readTap() finds nothing wrong with a clean run', (t) => {
  t.deepEqual(readTap(`${HEAD}\nok 1 - a\nok 2 - b\n1..2\n# pass 2\n# fail 0`, 0), {
    passed: 2,
    failed: 0,
    skipped: 0,
    failures: [],
  });
});
