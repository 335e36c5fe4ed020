import test from 'ava';
import fc from 'fast-check';
import { createManifestReader, type Manifest } from '../../../src/cluster/files/manifest.ts';

const read = (text: string, file = 'a.yaml') =>
  createManifestReader(file).read(text, () => undefined);

function service(name: string, extra = ''): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec:\n  ports: [{port: 80}]\n${extra}`;
}

function names({ objects }: Manifest): Array<string | undefined> {
  return objects.map(({ identity }) => identity);
}

test('read() reads several documents with their positions', async (t) => {
  const manifest = await read(
    `# first\n---\n${service('a')}---\n# nothing here\n---\n${service('b')}`,
  );
  t.deepEqual(manifest.problems, []);
  t.deepEqual(
    manifest.objects.map(({ identity, position }) => [identity, position]),
    [
      ['Service default/a', { file: 'a.yaml', line: 3, column: 1 }],
      ['Service default/b', { file: 'a.yaml', line: 11, column: 1 }],
    ],
  );
});

test('read() reads Lists of any kind, and Lists in them', async (t) => {
  const item = (name: string) =>
    JSON.parse(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"${name}"}}`);
  const inner = { apiVersion: 'v1', kind: 'NamespaceList', items: [item('b'), item('c')] };
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [item('a'), inner] });
  for (const file of ['a.json', 'a.yaml'])
    t.deepEqual(names(await read(text, file)), ['Namespace a', 'Namespace b', 'Namespace c']);
});

test('read() reads JSON with tabs, and forgives a trailing comma', async (t) => {
  const text = '{\n\t"apiVersion": "v1",\n\t"kind": "Namespace",\n\t"metadata": {"name": "a"}\n}\n';
  t.deepEqual(names(await read(text, 'a.json')), ['Namespace a']);
  t.deepEqual(names(await read(text.replace('}\n}', '},\n}'), 'a.json')), ['Namespace a']);
});

test('read() says where a field stands, in the right document', async (t) => {
  const text = `${service('a')}---\n${service('b').replace('port: 80', 'port: "80"')}`;
  const { problems, objects } = await read(text);
  t.deepEqual(
    problems.map(({ field, position, object }) => [field, position, object]),
    [
      [
        'spec.ports[0].port',
        { file: 'a.yaml', line: 11, column: 18 },
        { kind: 'Service', key: 'default/b' },
      ],
    ],
  );
  t.is(objects[1]?.object, undefined);
  t.is(objects[1]?.identity, 'Service default/b');
});

for (const [what, file, text, line, column] of [
  [
    'a missing field: its parent',
    'a.yaml',
    'apiVersion: v1\nkind: Service\nmetadata:\n  name: a\nspec:\n  type: LoadBalancer\n',
    5,
    1,
  ],
  [
    'an item of a list',
    'a.yaml',
    service('a').replace('[{port: 80}]', '\n  - port: 80\n  - 7'),
    7,
    5,
  ],
  [
    'a field behind an anchor',
    'a.yaml',
    `${service('a').replace('[{port: 80}]', '&p [{port: x}]')}`,
    5,
    21,
  ],
  [
    'a List in JSON',
    'a.json',
    '{"apiVersion":"v1","kind":"List","items":[\n{"apiVersion":"v1","kind":"Service",\n"metadata":{"name":"a"},"spec":{"ports":7}}]}',
    3,
    41,
  ],
] as const) {
  test(`read() locates ${what}`, async (t) => {
    const { problems } = await read(text, file);
    t.deepEqual(problems[0]?.position, { file, line, column });
  });
}

for (const [what, text, line, message] of [
  ['an open bracket', `${service('a')}---\na: [1\n`, 8, /Flow sequence/],
  ['a key twice', 'a: 1\na: 2\n', 2, /unique/],
  ['a tab', 'a:\n\tb: 1\n', 2, /[Tt]ab/],
  ['an unknown alias', 'a: *b\n', 1, /alias/],
  [
    'an alias bomb',
    `a: &a [${'x,'.repeat(99)}]\nb: &b [${'*a,'.repeat(99)}]\nc: [${'*b,'.repeat(99)}]\n`,
    1,
    /alias/,
  ],
] as const) {
  test(`read() says where the syntax is broken by ${what}`, async (t) => {
    const manifest = await read(text);
    t.true(manifest.syntaxError);
    t.is(manifest.problems.length, 1);
    t.is(manifest.problems[0]?.position?.line, line);
    t.regex(manifest.problems[0]?.message ?? '', message);
  });
}

for (const [what, text, message] of [
  ['a text', 'hello\n', /not an object/],
  ['a list', '- a\n', /not an object/],
  ['no kind', 'apiVersion: v1\nmetadata: {name: a}\n', /no kind or no apiVersion/],
  ['no apiVersion', 'kind: Service\n', /no kind or no apiVersion/],
  [
    'itself',
    'apiVersion: v1\nkind: Service\nmetadata: &m\n  name: a\n  x: *m\n',
    /contains itself/,
  ],
  [
    'Lists without end',
    `&l {apiVersion: v1, kind: List, items: [*l, *l]}\n`,
    /too many items or Lists/,
  ],
] as const) {
  test(`read() tells a document of ${what}, which may be any object`, async (t) => {
    const manifest = await read(text);
    t.false(manifest.syntaxError);
    t.regex(manifest.problems[0]?.message ?? '', message);
    t.true(manifest.objects.every(({ identity }) => identity === undefined));
    t.true(manifest.objects.length > 0);
  });
}

test('read() passes over kinds of others, and warns of versions it does not read', async (t) => {
  const { objects, problems, ignored } = await read(
    [
      'apiVersion: apps/v1\nkind: Deployment\n',
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\n',
      'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\n',
    ].join('---\n'),
  );
  t.deepEqual(ignored, ['apps/v1 Deployment', 'serving.knative.dev/v1 Service']);
  t.deepEqual(
    objects.map(({ identity, object }) => [identity, object]),
    [['EndpointSlice default/a', undefined]],
  );
  t.like(problems.at(-1), {
    severity: 'warning',
    field: 'apiVersion',
    remedy: 'Write discovery.k8s.io/v1',
  });
  t.is(problems.at(-1)?.position?.line, 8);
});

for (const password of [
  '*hunter2',
  '!a!hunter2 x',
  '!hunter2! x',
  '|hunter2',
  '"hunter2" hunter2',
  '"\\u00zz hunter2"',
  '[hunter2',
]) {
  test(`read() quotes nothing of a broken Secret with ${password}`, async (t) => {
    const text = `apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  x: ${password}\n`;
    const { problems, syntaxError } = await read(text);
    t.true(syntaxError);
    t.notRegex(JSON.stringify(problems), /hunter2/);
    t.true((problems[0]?.message.length ?? 0) > 12);
  });
}

test('read() reads only those documents again that have changed', async (t) => {
  const reader = createManifestReader('a.yaml');
  const breathe = () => undefined;
  const first = await reader.read(
    `${service('a')}---\n${service('b')}---\n${service('c')}`,
    breathe,
  );
  const text = `${service('a')}---\n${service('b', '  type: NodePort\n')}---\n${service('c')}`;
  const second = await reader.read(text, breathe);
  const objects = [first, second].map((manifest) => manifest.objects.map(({ object }) => object));
  t.is(objects[1]?.[0], objects[0]?.[0]);
  t.not(objects[1]?.[1], objects[0]?.[1]);
  t.is(objects[1]?.[2], objects[0]?.[2]);
  t.is(second.objects[0], first.objects[0]);
  t.is(first.objects[2]?.position.line, 13);
  t.is(second.objects[2]?.position.line, 14);
});

test('read() takes documents for what they are when the text has directives', async (t) => {
  const text = `%YAML 1.2\n---\n${service('a')}...\n---\n${service('b')}`;
  t.deepEqual(names(await read(text)), ['Service default/a', 'Service default/b']);
});

test('read() does not mind a byte order mark and Windows line ends', async (t) => {
  const text = `\uFEFF${service('a')}---\n${service('b')}`.replaceAll('\n', '\r\n');
  t.deepEqual(names(await read(text)), ['Service default/a', 'Service default/b']);
});

test('read() never throws', async (t) => {
  const lines = fc.constantFrom(
    '---',
    'apiVersion: v1',
    'kind: Service',
    'metadata:',
    '  name: a',
    'items:',
    '- &a {kind: List}',
    '- *a',
    '...',
    '%YAML 1.1',
    '}',
    '"',
    '\t',
  );
  const text = fc
    .array(fc.oneof(lines, fc.string()), { maxLength: 12 })
    .map((list) => list.join('\n'));
  await fc.assert(
    fc.asyncProperty(text, fc.constantFrom('a.yaml', 'a.json'), async (written, file) => {
      const manifest = await read(written, file);
      t.true(Array.isArray(manifest.objects));
    }),
    { numRuns: 500 },
  );
});

test('read() tells which version of a BGPPeer to write in place of the old one', async (t) => {
  const spec = '{myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1, ebgpMultiHop: true}';
  const peer = (version: string) =>
    `apiVersion: metallb.io/${version}\nkind: BGPPeer\nmetadata: {name: tor}\nspec: ${spec}\n`;
  const old = await read(peer('v1beta1'));
  t.is(old.objects[0]?.object, undefined);
  t.like(old.problems[0], {
    object: { kind: 'BGPPeer', key: 'default/tor' },
    position: { file: 'a.yaml', line: 1, column: 13 },
    message: '"metallb.io/v1beta1" is a version of BGPPeer that is not read',
    remedy: 'Write metallb.io/v1beta2',
  });
  t.is((await read(peer('v1beta2'))).objects[0]?.object?.kind, 'BGPPeer');
});
