import test from 'ava';
import type { PathAttributes } from '../../../../src/protocol/bgp/message.ts';
import { createPaths, type PathContext } from '../../../../src/speaker/bgp/routes/paths.ts';
import { PLAIN } from '../../../support/bgp-objects.ts';
import { address } from '../../../support/objects.ts';

const EXTERNAL: PathContext = {
  ...{ localAsn: 64500, internal: false, extendedNextHop: false },
  nextHops: {
    4: { global: address('192.0.2.2'), linkLocal: undefined },
    6: { global: address('2001:db8::2'), linkLocal: address('fe80::2') },
  },
};

test('a path to another AS has this side in AS_PATH, and no LOCAL_PREF', (t) => {
  const path = createPaths(EXTERNAL)({ ...PLAIN, localPref: 200, prepend: 2, med: 7 }, 4);
  t.like(path, {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [64500, 64500, 64500] }],
    nextHop: address('192.0.2.2'),
    mpNextHop: undefined,
    localPref: undefined,
    med: 7,
  });
});

test('a path within the AS has an empty AS_PATH and a LOCAL_PREF', (t) => {
  const paths = createPaths({ ...EXTERNAL, internal: true });
  t.like(paths({ ...PLAIN, prepend: 2 }, 6), {
    asPath: [],
    nextHop: undefined,
    mpNextHop: EXTERNAL.nextHops[6],
    localPref: 100,
  });
  t.is(paths({ ...PLAIN, localPref: 0 }, 6)?.localPref, 0);
});

test('a next hop that is set takes the place of this side, if the session can carry it', (t) => {
  const six = { ...PLAIN, nextHop: address('2001:db8::99') };
  t.is(createPaths(EXTERNAL)(six, 4), undefined);
  t.deepEqual(createPaths({ ...EXTERNAL, extendedNextHop: true })(six, 4)?.mpNextHop, {
    global: address('2001:db8::99'),
    linkLocal: undefined,
  });
  const four = { ...PLAIN, nextHop: address('192.0.2.99') };
  t.is(createPaths(EXTERNAL)(four, 4)?.nextHop, address('192.0.2.99'));
  t.is(createPaths({ ...EXTERNAL, extendedNextHop: true })(four, 6), undefined);
  const noHops = { ...EXTERNAL, nextHops: { 4: undefined, 6: undefined } };
  t.is(createPaths(noHops)(PLAIN, 4), undefined);
});

test('equal paths are one object, also when they are made anew', (t) => {
  const known = new Map<string, PathAttributes>();
  const first = createPaths(EXTERNAL, known)(PLAIN, 4);
  t.is(createPaths(EXTERNAL, known)({ ...PLAIN }, 4), first);
  t.not(createPaths(EXTERNAL, known)({ ...PLAIN, med: 1 }, 4), first);
});
