import { inspect } from 'node:util';
import test from 'ava';
import { decodeSecret, sameSecretValues } from '../../../src/cluster/decode/secret.ts';

const metadata = { name: 's' };

function textOf(value: Uint8Array | undefined) {
  return value && Buffer.from(value).toString();
}

test('decodeSecret() reads data, and stringData over it', (t) => {
  const { value, problems } = decodeSecret({
    metadata,
    type: 'kubernetes.io/basic-auth',
    data: { password: 'b2xk', user: 'bWU=', empty: '' },
    stringData: { password: 'new' },
  });
  t.deepEqual(problems, []);
  t.is(value?.type, 'kubernetes.io/basic-auth');
  t.deepEqual(value?.keys, ['empty', 'password', 'user']);
  t.deepEqual(
    ['empty', 'password', 'user', 'none'].map((key) => textOf(value?.value(key))),
    ['', 'new', 'me', undefined],
  );
});

test('a Secret shows its values to nobody who prints it', (t) => {
  const { value } = decodeSecret({ metadata, stringData: { password: 'hunter2' } });
  t.notRegex(inspect(value, { depth: 9, showHidden: true }), /hunter2/);
  t.notRegex(JSON.stringify(value), /hunter2|aHVudGVyMg/);
});

for (const [what, fields, field] of [
  ['what is not base64', { data: { password: 'hunter2!' } }, 'data.password'],
  [
    'a value that is no text',
    { stringData: { password: { deep: 'hunter2!' } } },
    'stringData.password',
  ],
  ['a bad key', { stringData: { 'a b': 'hunter2!' } }, 'stringData["a b"]'],
  ['data that is a list', { data: ['hunter2!'] }, 'data'],
  ['data that is a text', { data: 'hunter2!' }, 'data'],
  ['too much', { stringData: { a: 'x'.repeat(1024 * 1024 + 1) } }, 'data'],
] as const) {
  test(`decodeSecret() refuses ${what} without quoting it`, (t) => {
    const { value, problems } = decodeSecret({ metadata, ...fields });
    t.is(value, undefined);
    t.is(problems[0]?.field, field);
    t.notRegex(JSON.stringify(problems), /hunter2/);
  });
}

test('sameSecretValues() compares bytes', (t) => {
  const secret = (values: object) => {
    const { value } = decodeSecret({ metadata, stringData: values });
    return value ?? t.fail();
  };
  type Secret = Parameters<typeof sameSecretValues>[0];
  const a = secret({ x: '1' }) as Secret;
  t.true(sameSecretValues(a, secret({ x: '1' }) as Secret));
  t.false(sameSecretValues(a, secret({ x: '2' }) as Secret));
  t.false(sameSecretValues(a, secret({ y: '1' }) as Secret));
  t.false(sameSecretValues(a, secret({ x: '1', y: '' }) as Secret));
});
