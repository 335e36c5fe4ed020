import test from 'ava';
import { box, cli, isGolden, withoutBgp } from '../../support/run-cli.ts';

test('bgp shows sessions, and why one is not established', async (t) => {
  const { code, out, err } = await cli(['bgp', '--run-dir', await box(t)]);
  t.is(err, '');
  t.is(code, 1);
  await isGolden(t, 'bgp-peers', out);
});

test('bgp peers PEER tells all of one session', async (t) => {
  const { code, out } = await cli(['bgp', 'peers', 'tor-a', '--run-dir', await box(t)]);
  t.is(code, 0);
  await isGolden(t, 'bgp-peer', out);
  const other = await cli(['bgp', 'peers', 'tor-b', '--run-dir', await box(t)]);
  t.regex(other.out, /^ {2}We closed {2}\S/m);
  t.regex(other.out, /^ {2}Connection \S/m);
});

test('bgp routes shows what is said to whom, and why other addresses are not announced', async (t) => {
  const { code, out } = await cli(['bgp', 'routes', '--run-dir', await box(t)]);
  t.is(code, 0);
  await isGolden(t, 'bgp-routes', out);
});

test('bgp received shows what peers announce', async (t) => {
  const { code, out } = await cli(['bgp', 'received', '--run-dir', await box(t)]);
  t.is(code, 0);
  await isGolden(t, 'bgp-received', out);
});

test('bfd shows who is watched, and what was refused', async (t) => {
  const { code, out } = await cli(['bfd', '--run-dir', await box(t)]);
  t.is(code, 0);
  await isGolden(t, 'bfd', out);
});

test('bgp --json holds what the API says', async (t) => {
  const runDir = await box(t, ['speaker']);
  const json = async (...words: string[]) =>
    JSON.parse((await cli([...words, '--json', '--run-dir', runDir])).out);
  t.is((await json('bgp')).items[1].lastError.sent.at, '2026-01-02T05:59:05.000Z');
  t.is((await json('bgp', 'peers', 'metallb-system/tor-b')).items.length, 1);
  const { routes, withheld } = await json('bgp', 'routes', 'tor-a');
  t.is(routes.length, 3);
  t.deepEqual(
    withheld.map(({ address }: { address: string }) => address),
    ['192.0.2.2'],
  );
  t.is((await json('bgp', 'received'))[0].prefix, '0.0.0.0/0');
  t.is((await json('bfd', 'tor-a')).drops.ttl, 2);
});

test('a peer that is not there is a mistake of the command line, which names those that are', async (t) => {
  const runDir = await box(t);
  for (const words of [
    ['bgp', 'peers', 'tor-c'],
    ['bgp', 'routes', 'tor-c'],
    ['bfd', 'tor-c'],
  ]) {
    const { code, err } = await cli([...words, '--run-dir', runDir]);
    t.is(code, 2);
    t.regex(err, /^There is no peer "tor-c" of this box\. There are tor-a, tor-b\./);
  }
});

test('bgp says when no speaker runs here, and when nobody is to be spoken to', async (t) => {
  const none = await cli(['bgp', '--run-dir', await box(t, ['forwarder'])]);
  t.is(none.code, 3);
  t.regex(none.err, /^No speaker runs on this box\. Start it with "systemctl start tidegate@sp/);
  const runDir = await box(t, ['speaker'], withoutBgp);
  for (const [words, text] of [
    [['bgp'], 'No BGPPeer chooses this box.\n'],
    [['bgp', 'routes'], 'No prefix is announced.\n'],
    [['bgp', 'received'], 'No peer announces anything.\n'],
    [['bfd'], 'No peer is watched by BFD.\n'],
  ] as const) {
    const { code, out } = await cli([...words, '--run-dir', runDir]);
    t.is(code, 0);
    t.is(out, text);
  }
});
