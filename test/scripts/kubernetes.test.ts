import { globSync, readFileSync } from 'node:fs';
import test from 'ava';
import {
  countTests,
  describeNotRun,
  needsKubernetes,
  prepareKubernetes,
} from '../../scripts/test/kubernetes.ts';

test('needsKubernetes() knows every test file that starts a control plane', (t) => {
  const starts = globSync('test/**/*.test.ts').filter((file) =>
    /from '.*\/(control-plane|fault-proxy)\.ts'/.test(readFileSync(file, 'utf8')),
  );
  t.true(starts.length > 0);
  t.deepEqual(
    starts.filter((file) => !needsKubernetes(file)),
    [],
  );
});

test('prepareKubernetes() hands the programs on, or the reason why there are none', async (t) => {
  t.teardown(() => {
    if (before === undefined) delete process.env['KUBEBUILDER_ASSETS'];
    else process.env['KUBEBUILDER_ASSETS'] = before;
  });
  const before = process.env['KUBEBUILDER_ASSETS'];
  process.env['KUBEBUILDER_ASSETS'] = '/nonexistent';
  const kubernetes = await prepareKubernetes();
  t.regex('missing' in kubernetes ? kubernetes.missing : '', /^KUBEBUILDER_ASSETS=\/nonexistent /);
});

test('describeNotRun() names the files, the reason and the remedy; countTests() their tests', (t) => {
  const file = 'test/scripts/kubernetes.test.ts';
  t.is(countTests(file), 3);
  const text = describeNotRun([file, 'b'], 'no Go');
  t.regex(text, /^\nNOT RUN: 2 test files/);
  t.regex(text, /kubernetes\.test\.ts\n {4}b\nReason: no Go$/);
});
