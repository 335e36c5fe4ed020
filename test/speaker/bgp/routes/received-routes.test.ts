import test from 'ava';
import { type Prefix, parsePrefix } from '../../../../src/domain/prefix.ts';
import { BARE_PATH, type UpdateMessage } from '../../../../src/protocol/bgp/message.ts';
import { createReceivedRoutes } from '../../../../src/speaker/bgp/routes/received-routes.ts';

const prefixes = (texts: readonly string[]) => texts.map((text) => parsePrefix(text) as Prefix);

function update(announced: readonly string[], fields: Partial<UpdateMessage> = {}): UpdateMessage {
  return {
    kind: 'update',
    withdrawn: [],
    announced: prefixes(announced),
    attributes: announced.length > 0 ? BARE_PATH : undefined,
    endOfRib: undefined,
    faults: [],
    ...fields,
  };
}

test('take() keeps what is announced and not withdrawn', (t) => {
  const routes = createReceivedRoutes();
  routes.take(update(['192.0.2.0/24', '2001:db8::/32']));
  routes.take(update([], { withdrawn: prefixes(['192.0.2.0/24', '198.51.100.0/24']) }));
  t.deepEqual([...routes.current().keys()], ['2001:db8::/32']);
  routes.clear();
  t.is(routes.current().size, 0);
});

test('take() drops a family that cannot be believed any more', (t) => {
  const routes = createReceivedRoutes();
  routes.take(update(['192.0.2.0/24', '2001:db8::/32']));
  const fault = { approach: 'disableFamily', attribute: 14, family: 6, reason: '' } as const;
  routes.take(update([], { faults: [fault] }));
  t.deepEqual([...routes.current().keys()], ['192.0.2.0/24']);
});

test('refresh() forgets what the peer does not say again', (t) => {
  const routes = createReceivedRoutes();
  routes.take(update(['192.0.2.0/24', '198.51.100.0/24', '2001:db8::/32']));
  routes.refresh(4, 'begin');
  t.is(routes.current().size, 3);
  routes.take(update(['198.51.100.0/24']));
  routes.refresh(4, 'end');
  t.deepEqual([...routes.current().keys()].sort(), ['198.51.100.0/24', '2001:db8::/32']);
});

test('refresh() that never ends costs nothing, however often it begins', (t) => {
  const routes = createReceivedRoutes();
  const many = Array.from({ length: 10_000 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`);
  routes.take(update(many));
  let looks = 0;
  const iterator = routes.current()[Symbol.iterator].bind(routes.current());
  Object.assign(routes.current(), {
    [Symbol.iterator]: () => {
      looks += 1;
      return iterator();
    },
  });
  for (let i = 0; i < 1000; i++) routes.refresh(4, 'begin');
  routes.take(update(many.slice(0, 9999)));
  t.is(looks, 0);
  routes.refresh(4, 'end');
  routes.refresh(4, 'end');
  t.is(looks, 1);
  t.is(routes.current().size, 9999);
  const fault = { approach: 'disableFamily', attribute: 14, family: 6, reason: '' } as const;
  routes.take(update([], { faults: [fault] }));
  t.is(looks, 1, 'there is nothing to be dropped');
});

test('take() keeps no more than the limit, and says so', (t) => {
  const routes = createReceivedRoutes(2);
  routes.take(update(['192.0.2.0/24', '198.51.100.0/24']));
  t.false(routes.truncated());
  routes.take(update(['203.0.113.0/24', '192.0.2.0/24']));
  t.deepEqual([...routes.current().keys()].sort(), ['192.0.2.0/24', '198.51.100.0/24']);
  t.true(routes.truncated());
});

test('take() keeps no more attributes than the limit, however long they are', (t) => {
  const routes = createReceivedRoutes(10, 100);
  const path = (length: number) => ({
    ...BARE_PATH,
    communities: new Array<number>(length).fill(1),
  });
  routes.take(update(['192.0.2.0/24', '198.51.100.0/24'], { attributes: path(10) }));
  routes.take(update(['203.0.113.0/24'], { attributes: path(10) }));
  t.is(routes.current().size, 2);
  t.true(routes.truncated());
  routes.take(update(['192.0.2.0/24'], { attributes: path(1) }));
  routes.take(update(['203.0.113.0/24'], { attributes: path(10) }));
  t.is(routes.current().size, 3, 'there is room again');
});
