import test from 'ava';
import { statusBaseOf } from '../../../../src/cluster/kubernetes/status/status-base.ts';
import { unclaimed } from '../../../../src/cluster/kubernetes/write/unclaimed.ts';
import { service, status } from '../../../support/objects.ts';

/** Keys that may be written again: lost statuses, what the server has, and who shares by a key. */
function keysOf(
  lost: Readonly<Record<string, string>>,
  there: Readonly<Record<string, string>>,
  sharing: Readonly<Record<string, string>> = {},
): string[] {
  const bases = Object.entries(there).map(([name, ip]) => {
    const metadata = { namespace: 'default', name, uid: name, resourceVersion: '1' };
    const ingress = ip === '' ? [] : [{ ip }];
    const base = statusBaseOf({ metadata, status: { loadBalancer: { ingress } } });
    return [`default/${name}`, base] as const;
  });
  const statuses = Object.entries(lost).map(
    ([name, ip]) => [`default/${name}`, status([ip])] as const,
  );
  const found = unclaimed(new Map(statuses), bases, (key) =>
    service(key, { sharingKey: sharing[key.slice('default/'.length)] ?? '' }),
  );
  return [...found.keys()].map((key) => key.slice('default/'.length));
}

test('unclaimed() writes again what nobody else has by now', (t) => {
  t.deepEqual(keysOf({ a: '192.0.2.1' }, { a: '', b: '192.0.2.2' }), ['a']);
});

test('unclaimed() leaves to allocation what a restored server gives to another', (t) => {
  t.deepEqual(keysOf({ a: '192.0.2.1', c: '192.0.2.3' }, { a: '', b: '192.0.2.1', c: '' }), ['c']);
});

test('unclaimed() takes together who had moved on, and who had come after', (t) => {
  const lost = { a: '192.0.2.1', b: '192.0.2.2' };
  t.deepEqual(keysOf(lost, { a: '', b: '192.0.2.1' }), ['a', 'b']);
});

test('unclaimed() knows who shares', (t) => {
  const there = { a: '', b: '192.0.2.1' };
  t.deepEqual(keysOf({ a: '192.0.2.1' }, there, { a: 'key', b: 'key' }), ['a']);
  t.deepEqual(keysOf({ a: '192.0.2.1' }, there, { a: 'key', b: 'other' }), []);
});
