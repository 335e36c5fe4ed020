import test from 'ava';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import {
  CONFIGURATION_CHECK_MS,
  CONFIGURATION_SETTLE_MS,
  createConfigurationReporter,
} from '../../../../src/cluster/kubernetes/write/configuration-reporter.ts';
import type { Problem } from '../../../../src/domain/problem.ts';
import { fakeClock } from '../../../support/fake-clock.ts';
import { recordingLog } from '../../../support/recording-log.ts';
import { apiError } from './fake-services.ts';

const POOLS = '/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools';
const STATE = '/apis/metallb.io/v1beta1/namespaces/metallb-system/configurationstates';
const COUNTS = { assignedIPv4: 1n, assignedIPv6: 0n, availableIPv4: 3n, availableIPv6: 1n << 64n };

type Fields = Record<string, unknown>;

/** MetalLB's objects in memory. */
function bench() {
  const clock = fakeClock(Date.UTC(2026, 0, 2, 3, 4, 5));
  const writes: ApiRequest[] = [];
  const world = {
    leads: true,
    hasKinds: true,
    pools: new Map<string, Fields>([['p', {}]]),
    state: undefined as Fields | undefined,
  };
  async function request(asked: ApiRequest): Promise<unknown> {
    const { method, path, body } = asked;
    if (!world.hasKinds) throw apiError(404, 'NotFound');
    if (method !== 'GET') writes.push(asked);
    const { status } = (body ?? {}) as { status: Fields };
    if (path === POOLS) {
      return {
        items: [...world.pools].map(([name, held]) => ({ metadata: { name }, status: held })),
      };
    }
    const [, pool] = path.match(/ipaddresspools\/([^/]+)\/status$/) ?? [];
    if (pool !== undefined) return void world.pools.set(pool, status);
    if (path === STATE) {
      world.state = {};
      return {};
    }
    if (!world.state) throw apiError(404, 'NotFound');
    if (method === 'PATCH') world.state = status;
    return { status: world.state };
  }
  const log = recordingLog();
  const options = {
    connection: { request },
    namespace: 'metallb-system',
    leads: () => world.leads,
    clock,
    log,
  };
  async function pass(ms: number) {
    clock.advance(ms);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  }
  return { reporter: createConfigurationReporter(options), options, world, writes, pass, log };
}

const problem: Problem = {
  severity: 'error',
  object: { kind: 'IPAddressPool', key: 'metallb-system/q' },
  field: 'spec.addresses[0]',
  message: '"x" is no range',
  remedy: 'Write a range',
};

test('report() writes counts and state a moment later, and only what differs', async (t) => {
  const { reporter, options, world, writes, pass } = bench();
  const pools = [
    { name: 'p', ...COUNTS },
    { name: 'gone', ...COUNTS },
  ];
  reporter.report({ pools, problems: [] });
  reporter.report({ pools, problems: [] });
  await pass(CONFIGURATION_SETTLE_MS - 1);
  t.deepEqual(writes, []);
  await pass(1);
  t.deepEqual(world.pools.get('p'), {
    assignedIPv4: 1,
    assignedIPv6: 0,
    availableIPv4: 3,
    availableIPv6: Number.MAX_SAFE_INTEGER,
  });
  t.like(world.state, { result: 'Valid', errorSummary: '' });
  t.deepEqual(
    writes.map(({ method, path }) => `${method} ${path}`),
    [`PATCH ${POOLS}/p/status`, `POST ${STATE}`, `PATCH ${STATE}/controller/status`],
  );
  reporter.report({ pools, problems: [] });
  await pass(CONFIGURATION_SETTLE_MS);
  const restarted = createConfigurationReporter(options);
  restarted.report({ pools, problems: [] });
  await pass(CONFIGURATION_SETTLE_MS);
  t.is(writes.length, 3);
});

test('report() says what is wrong, and since when', async (t) => {
  const { reporter, world, pass } = bench();
  reporter.report({ pools: [], problems: [problem] });
  await pass(CONFIGURATION_SETTLE_MS);
  const message =
    'IPAddressPool metallb-system/q spec.addresses[0]: "x" is no range. Write a range';
  t.deepEqual(world.state, {
    result: 'Invalid',
    errorSummary: message,
    conditions: [
      {
        type: 'poolReconcilerValid',
        status: 'False',
        reason: 'ConfigurationError',
        message,
        lastTransitionTime: '2026-01-02T03:04:06Z',
      },
    ],
  });
  reporter.report({ pools: [], problems: [problem, problem] });
  await pass(CONFIGURATION_SETTLE_MS);
  t.like(world.state, { conditions: [{ lastTransitionTime: '2026-01-02T03:04:06Z' }] });
});

test('report() writes again what somebody has deleted', async (t) => {
  const { reporter, world, pass } = bench();
  reporter.report({ pools: [{ name: 'p', ...COUNTS }], problems: [] });
  await pass(CONFIGURATION_SETTLE_MS);
  world.state = undefined;
  world.pools.set('p', {});
  await pass(CONFIGURATION_CHECK_MS);
  t.like(world.state, { result: 'Valid' });
  t.like(world.pools.get('p'), { assignedIPv4: 1 });
});

test('report() is silent where the kinds are not there, or another leads', async (t) => {
  const { reporter, world, writes, pass, log } = bench();
  world.hasKinds = false;
  reporter.report({ pools: [{ name: 'p', ...COUNTS }], problems: [] });
  await pass(CONFIGURATION_SETTLE_MS);
  world.hasKinds = true;
  world.leads = false;
  await pass(CONFIGURATION_CHECK_MS);
  t.deepEqual([writes.filter(({ method }) => method === 'PATCH'), log.lines], [[], []]);
});
