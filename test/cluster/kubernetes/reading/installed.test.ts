import test from 'ava';
import { isSurelyMissing } from '../../../../src/cluster/kubernetes/reading/installed.ts';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';

const POOLS = { group: 'metallb.io', version: 'v1beta1', plural: 'ipaddresspools' };
const GROUP = '/apis/metallb.io/v1beta1';

/** An API server with these answers; all else is 404. */
function server(answers: Readonly<Record<string, unknown>>) {
  return {
    async request({ path }: ApiRequest) {
      if (path in answers) return answers[path];
      throw new ApiError(`${path}: 404`, { status: 404, reason: 'NotFound' });
    },
  };
}

const groups = (...versions: readonly string[]) => ({
  kind: 'APIGroupList',
  groups: [
    { name: 'apps', versions: [{ version: 'v1' }] },
    ...(versions.length > 0
      ? [{ name: 'metallb.io', versions: versions.map((version) => ({ version })) }]
      : []),
  ],
});
const resources = (...names: readonly string[]) => ({
  kind: 'APIResourceList',
  resources: names.map((name) => ({ name })),
});

const CASES: readonly (readonly [string, Readonly<Record<string, unknown>>, boolean])[] = [
  ['its group is unknown', { '/apis': groups() }, true],
  ['its version is unknown', { '/apis': groups('v1beta2') }, true],
  ['its resource is unknown', { '/apis': groups('v1beta1'), [GROUP]: resources('bgppeers') }, true],
  [
    'it is known',
    { '/apis': groups('v1beta1'), [GROUP]: resources('bgppeers', 'ipaddresspools') },
    false,
  ],
  ['the answer is something else', { '/apis': { kind: 'Status' } }, false],
  ['the answer has no groups', { '/apis': { kind: 'APIGroupList' } }, false],
  ['the answer is no object', { '/apis': 'not found' }, false],
  ['the resources are none', { '/apis': groups('v1beta1'), [GROUP]: {} }, false],
];

for (const [what, answers, expected] of CASES) {
  test(`isSurelyMissing() is ${expected} when ${what}`, async (t) => {
    t.is(await isSurelyMissing(server(answers), POOLS), expected);
  });
}

test('isSurelyMissing() rejects when the server does not answer', async (t) => {
  await t.throwsAsync(isSurelyMissing(server({}), POOLS), { instanceOf: ApiError });
});
