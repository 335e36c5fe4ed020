import test from 'ava';
import fc from 'fast-check';
import {
  decodeObject,
  isKind,
  KINDS,
  type Kind,
} from '../../../src/cluster/decode/cluster-object.ts';

const kinds = Object.keys(KINDS) as Kind[];

/** Names of fields that decoders look at, so that arbitrary objects reach deep into them. */
const NAMES =
  `metadata name namespace labels annotations uid creationTimestamp spec status type ports
  port targetPort nodePort protocol selector clusterIPs ipFamilies ipFamilyPolicy addresses addressType
  endpoints conditions ready targetRef kind subsets ip data stringData serviceAllocation namespaces
  namespaceSelectors matchLabels matchExpressions key operator values priority podIPs taints
  ipAddressPools ipAddressPoolSelectors nodeSelectors interfaces serviceSelectors drain withheld
  preferredNodeSelectors weight preference address service reason message node serviceName
  sessionAffinityConfig clientIP timeoutSeconds loadBalancerSourceRanges loadBalancerIP
  metallb.io/loadBalancerIPs tidegate.io/health-check tidegate.io/health-check-expected-status
  myASN peerASN dynamicASN localASN peerAddress interface sourceAddress peerPort routerID holdTime
  keepaliveTime connectTime ebgpMultiHop password passwordSecret communities peers localPref
  aggregationLength receiveInterval detectMultiplier tidegate.io/ttl-security tidegate.io/med
  tidegate.io/next-hop tidegate.io/extended-communities
  __proto__ constructor`.split(/\s+/);

const leaf = fc.oneof(
  fc.constantFrom('web', '192.0.2.1', '192.0.2.0/24', 'fd00::1', 'TCP', 'IPv4', 'None', '1', 80, 0),
  fc.jsonValue({ maxDepth: 1 }),
);

const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('tree'), { maxKeys: 8 }),
  ),
}));

for (const kind of kinds) {
  test(`decodeObject() of ${kind} never throws, and says why when it gives nothing`, (t) => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...NAMES), tree), (value) => {
        const decoded = decodeObject(kind, value);
        if (decoded.value) t.is(decoded.value.kind, kind);
        else t.true(decoded.problems.some(({ severity }) => severity === 'error'));
        for (const { message, remedy } of decoded.problems)
          t.true(
            [message, remedy].every((text) => /[^.]$/.test(text)),
            `${message}. ${remedy}`,
          );
      }),
      { numRuns: 300 },
    );
  });

  test(`decodeObject() of ${kind} refuses what is no object`, (t) => {
    for (const value of [undefined, null, 1, 'x', [], true])
      t.is(decodeObject(kind, value).value, undefined);
  });
}

test('decodeObject() gives a Namespace the label that the API server gives it', (t) => {
  const { value } = decodeObject('Namespace', { metadata: { name: 'shop', labels: { a: 'b' } } });
  t.deepEqual(value?.value, {
    key: 'shop',
    namespace: '',
    name: 'shop',
    uid: '',
    createdMs: 0,
    labels: { a: 'b', 'kubernetes.io/metadata.name': 'shop' },
    deleting: false,
  } as never);
});

test('isKind() knows our kinds and nothing that objects inherit', (t) => {
  t.true(isKind('Service'));
  t.false(isKind('Deployment'));
  t.false(isKind('constructor'));
});
