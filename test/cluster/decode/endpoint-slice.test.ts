import test from 'ava';
import { decodeEndpointSlice } from '../../../src/cluster/decode/endpoint-slice.ts';
import { parseAddress } from '../../../src/domain/address.ts';

const METADATA = {
  name: 'web-1',
  namespace: 'shop',
  labels: { 'kubernetes.io/service-name': 'web' },
};

function slice(fields: object) {
  return { metadata: METADATA, addressType: 'IPv4', ports: [{ port: 8080 }], ...fields };
}

function endpoint(fields: object) {
  return slice({ endpoints: [{ addresses: ['10.0.0.1'], ...fields }] });
}

test('decodeEndpointSlice() reads a slice', (t) => {
  const { value, problems } = decodeEndpointSlice(
    slice({
      ports: [
        { name: 'http', port: 8080 },
        { name: 'dns', protocol: 'UDP', port: 53 },
      ],
      endpoints: [
        {
          addresses: ['10.0.0.1', '10.0.0.2'],
          conditions: { ready: false, serving: true, terminating: true },
          nodeName: 'worker-1',
          zone: 'a',
          targetRef: { kind: 'Pod', name: 'web-x', namespace: 'shop' },
        },
      ],
    }),
  );
  t.deepEqual(problems, []);
  t.deepEqual(value, {
    key: 'shop/web-1',
    service: 'shop/web',
    slices: [
      {
        key: 'shop/web-1',
        family: 4,
        ports: [
          { name: 'http', protocol: 'TCP', port: 8080 },
          { name: 'dns', protocol: 'UDP', port: 53 },
        ],
        endpoints: [
          {
            address: parseAddress('10.0.0.1') ?? t.fail(),
            ready: false,
            serving: true,
            terminating: true,
            nodeName: 'worker-1',
            zone: 'a',
            zoneHints: [],
            nodeHints: [],
            pod: 'shop/web-x',
          },
        ],
      },
    ],
  } as typeof value);
});

for (const [what, conditions, expected] of [
  ['nothing said', undefined, [true, true, false]],
  ['nulls', { ready: null, serving: null }, [true, true, false]],
  ['not ready', { ready: false }, [false, false, false]],
  ['terminating', { ready: false, serving: true, terminating: true }, [false, true, true]],
] as const) {
  test(`decodeEndpointSlice() reads conditions with ${what}`, (t) => {
    const [only] = decodeEndpointSlice(endpoint({ conditions })).value?.slices[0]?.endpoints ?? [];
    t.deepEqual([only?.ready, only?.serving, only?.terminating], [...expected]);
  });
}

test('decodeEndpointSlice() reads hints for zones and nodes', (t) => {
  const hints = { forZones: [{ name: 'a' }, { name: 'b' }], forNodes: [{ name: 'n1' }] };
  const [only] = decodeEndpointSlice(endpoint({ hints })).value?.slices[0]?.endpoints ?? [];
  t.deepEqual(only?.zoneHints, ['a', 'b']);
  t.deepEqual(only?.nodeHints, ['n1']);
  for (const none of [undefined, null, {}, { forZones: null, forNodes: [] }]) {
    const [plain] =
      decodeEndpointSlice(endpoint({ hints: none })).value?.slices[0]?.endpoints ?? [];
    t.deepEqual([plain?.zoneHints, plain?.nodeHints], [[], []]);
  }
});

test('decodeEndpointSlice() leaves endpoints that are host names out, and says so', (t) => {
  const { value, problems } = decodeEndpointSlice(
    slice({ addressType: 'FQDN', endpoints: [{ addresses: ['db.example.org'] }] }),
  );
  t.deepEqual(value, { key: 'shop/web-1', service: 'shop/web', slices: [] });
  t.deepEqual(
    problems.map(({ severity, field }) => [severity, field]),
    [['warning', 'addressType']],
  );
});

test('decodeEndpointSlice() reads one written by hand: no targetRef, no managed-by, no conditions', (t) => {
  const { value, problems } = decodeEndpointSlice(
    slice({ endpoints: [{ addresses: ['198.51.100.7'] }] }),
  );
  t.deepEqual(problems, []);
  t.like(value?.slices[0]?.endpoints[0], {
    ready: true,
    serving: true,
    nodeName: undefined,
    pod: undefined,
  });
});

for (const ports of [undefined, null, []]) {
  test(`decodeEndpointSlice() reads ports of ${JSON.stringify(ports)} as none`, (t) => {
    const { value, problems } = decodeEndpointSlice(slice({ ports }));
    t.deepEqual(problems, []);
    t.deepEqual(value?.slices[0]?.ports, []);
  });
}

test('decodeEndpointSlice() reads a port that says only its number, as the API writes null', (t) => {
  const { value } = decodeEndpointSlice(
    slice({ ports: [{ name: null, protocol: null, port: 8080, appProtocol: 'http' }] }),
  );
  t.deepEqual(value?.slices[0]?.ports, [{ name: '', protocol: 'TCP', port: 8080 }]);
});

test('decodeEndpointSlice() reads as many endpoints as the API allows', (t) => {
  const endpoints = Array.from({ length: 1000 }, (_, i) => {
    return { addresses: [`10.0.${i >> 8}.${i & 255}`] };
  });
  t.is(decodeEndpointSlice(slice({ endpoints })).value?.slices[0]?.endpoints.length, 1000);
});

test('decodeEndpointSlice() keeps a port that stands for all ports', (t) => {
  const { value } = decodeEndpointSlice(slice({ ports: [{ name: 'any' }] }));
  t.is(value?.slices[0]?.ports[0]?.port, undefined);
});

test('decodeEndpointSlice() takes the namespace of a Pod from the slice when it names none', (t) => {
  const { value } = decodeEndpointSlice(endpoint({ targetRef: { kind: 'Pod', name: 'x' } }));
  t.is(value?.slices[0]?.endpoints[0]?.pod, 'shop/x');
  const other = decodeEndpointSlice(endpoint({ targetRef: { kind: 'Node', name: 'x' } }));
  t.is(other.value?.slices[0]?.endpoints[0]?.pod, undefined);
});

test('decodeEndpointSlice() warns of a slice that belongs to no Service', (t) => {
  const { value, problems } = decodeEndpointSlice({ metadata: { name: 'x' }, addressType: 'IPv6' });
  t.is(value?.service, undefined);
  t.is(problems[0]?.severity, 'warning');
  t.regex(problems[0]?.remedy ?? '', /kubernetes\.io\/service-name/);
});

for (const [what, input, field] of [
  ['no address type', slice({ addressType: undefined }), 'addressType'],
  ['an unknown address type', slice({ addressType: 'IPX' }), 'addressType'],
  ['no address', endpoint({ addresses: [] }), 'endpoints[0].addresses'],
  ['a bad address', endpoint({ addresses: ['10.0.0.256'] }), 'endpoints[0].addresses[0]'],
  ['another family', endpoint({ addresses: ['fd00::1'] }), 'endpoints[0].addresses[0]'],
  ['loopback', endpoint({ addresses: ['127.0.0.1'] }), 'endpoints[0].addresses[0]'],
  ['multicast', endpoint({ addresses: ['224.0.0.1'] }), 'endpoints[0].addresses[0]'],
  ['a bad condition', endpoint({ conditions: { ready: 'yes' } }), 'endpoints[0].conditions.ready'],
  ['conditions that are a list', endpoint({ conditions: [] }), 'endpoints[0].conditions'],
  ['a bad node name', endpoint({ nodeName: 3 }), 'endpoints[0].nodeName'],
  ['hints that are no mapping', endpoint({ hints: [] }), 'endpoints[0].hints'],
  [
    'too many hints',
    endpoint({ hints: { forZones: Array(9).fill({ name: 'a' }) } }),
    'endpoints[0].hints.forZones',
  ],
  ['a bad port', slice({ ports: [{ port: 0 }] }), 'ports[0].port'],
  ['a port name twice', slice({ ports: [{ port: 1 }, { port: 2 }] }), 'ports[1].name'],
  ['too many endpoints', slice({ endpoints: Array(1001).fill({}) }), 'endpoints'],
  ['endpoints that are no list', slice({ endpoints: 'x' }), 'endpoints'],
] as const) {
  test(`decodeEndpointSlice() refuses ${what}`, (t) => {
    const { value, problems } = decodeEndpointSlice(input);
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
  });
}
