import test from 'ava';
import { format, reportOf } from './report.ts';

test('reportOf() aligns figures, then ratios, with what became of the aims', (t) => {
  const rows = [
    { name: 'ours', unit: 'ns', samples: [180, 200, 190], aim: { atMost: 185 } },
    { name: 'the other', unit: 'ns', samples: [90, 50, 95], note: 'in another way' },
  ];
  const against = [{ to: 'the other', aim: { atLeast: 2 } }];
  t.is(
    reportOf([{ ...rows[0], against }, rows[1]] as Parameters<typeof reportOf>[0]),
    `  ours       190  ns  [180–200]  aim ≤ 185: missed
  the other   90  ns  [50–95]    in another way

  ours ÷ the other  2  ×  [2–4]  aim ≥ 2: met
`,
  );
});

test('reportOf() has no ratios where nothing is compared', (t) => {
  t.is(reportOf([{ name: 'a', unit: 'ms', samples: [1] }]), '  a  1  ms  [1–1]\n');
});

test('format() keeps three digits, and whole numbers whole', (t) => {
  t.deepEqual([0.01234, 1.2345, 12.345, 123.45, 123456.7, 0, -0.5].map(format), [
    '0.0123',
    '1.23',
    '12.3',
    '123',
    '123457',
    '0',
    '-0.5',
  ]);
});
