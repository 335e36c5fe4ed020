import test from 'ava';
import { createMetrics, type Sample } from '../../src/telemetry/metrics.ts';

test('text() reads samples at the scrape and forgets those that are gone', async (t) => {
  const metrics = createMetrics();
  let samples: Sample[] = [{ labels: { vip: 'a' }, value: 3 }];
  let collected = 0;
  for (const type of ['counter', 'gauge'] as const) {
    metrics.register({
      name: `test_${type}`,
      help: 'Test',
      type,
      labels: ['vip'],
      collect: () => {
        collected += 1;
        return samples;
      },
    });
  }
  t.is(collected, 0);
  t.regex(await metrics.text(), /test_counter\{vip="a"\} 3\n(.*\n)*test_gauge\{vip="a"\} 3\n/);
  samples = [{ labels: { vip: 'b' }, value: 1 }];
  const text = await metrics.text();
  t.regex(text, /test_counter\{vip="b"\} 1\n/);
  t.notRegex(text, /vip="a"/);
  t.is(collected, 4);
});

test('text() holds the figures of the process and families without labels', async (t) => {
  const metrics = createMetrics();
  metrics.register({
    name: 'test_revision',
    help: 'Revision',
    type: 'gauge',
    labels: [],
    collect: () => [{ value: 9 }],
  });
  const text = await metrics.text();
  t.regex(text, /process_resident_memory_bytes \d+/);
  t.regex(text, /^test_revision 9$/m);
  t.regex(metrics.contentType, /^text\/plain; version=0\.0\.4/);
});

test('text() escapes label values', async (t) => {
  const metrics = createMetrics();
  metrics.register({
    name: 'test_label',
    help: 'Label',
    type: 'gauge',
    labels: ['name'],
    collect: () => [{ labels: { name: 'a"b\\c\nd' }, value: 1 }],
  });
  t.true((await metrics.text()).includes('test_label{name="a\\"b\\\\c\\nd"} 1'));
});

test('register() refuses a name twice', (t) => {
  const metrics = createMetrics();
  const family = {
    name: 'test_twice',
    help: 'Twice',
    type: 'gauge',
    labels: [],
    collect: () => [],
  } as const;
  metrics.register(family);
  t.throws(() => metrics.register(family));
});
