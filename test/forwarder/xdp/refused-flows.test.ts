import test from 'ava';
import { addressToBytes } from '../../../src/domain/address.ts';
import { type Prefix, parsePrefix } from '../../../src/domain/prefix.ts';
import { INDEX_GRACE_MS } from '../../../src/forwarder/xdp/index-pool.ts';
import { RefusedFlows } from '../../../src/forwarder/xdp/refused-flows.ts';
import type { AllowedClients } from '../../../src/system/bpf.ts';
import { address } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

function setUp() {
  const log = recordingLog();
  const calls: (readonly AllowedClients[])[] = [];
  const behaviour = { fails: false };
  const refused = new RefusedFlows(async (rules) => {
    calls.push(rules);
    if (behaviour.fails) throw new Error('Out of memory');
    return 3;
  }, log);
  /** Servers of each call, list by list. */
  const servers = () => calls.map((rules) => rules.map((rule) => rule.servers));
  return { log, calls, behaviour, refused, servers };
}

function ranges(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => parsePrefix(text) as Prefix);
}

test('begin() ends what changed in one pass, a list once however many servers have it', async (t) => {
  const { refused, servers, log } = setUp();
  const list = ranges('198.51.100.0/24');
  refused.restrict(1, list, 4, 0);
  refused.restrict(2, list, 4, 0);
  refused.restrict(3, ranges('203.0.113.0/24'), 4, 0);
  refused.begin();
  refused.begin();
  await refused.idle();
  t.deepEqual(servers(), [[[1, 2], [3]]]);
  t.like(log.lines[0], { level: 'info', fields: { ended: 3 } });
});

test('only ranges of the family count: ::/0 does not keep IPv4 clients', async (t) => {
  const { refused, calls } = setUp();
  const list = ranges('::/0', '198.51.100.0/25', '198.51.100.128/25', '198.51.100.64/26');
  refused.restrict(1, list, 4, 0);
  refused.restrict(2, list, 6, 0);
  refused.begin();
  await refused.idle();
  const [four, six] = calls[0] ?? [];
  const bytes = (...texts: readonly string[]) =>
    texts.flatMap((text) => [...addressToBytes(address(text))]);
  t.deepEqual(
    [...(four?.allowed ?? [])],
    bytes('198.51.100.0', '198.51.100.127', '198.51.100.128', '198.51.100.255'),
  );
  t.deepEqual([...(six?.allowed ?? [])], bytes('::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'));
});

test('settle() looks again, until a look began well after the switch', async (t) => {
  const { refused, calls } = setUp();
  refused.restrict(1, ranges('198.51.100.0/24'), 4, 1000);
  refused.begin();
  await refused.settle(1500);
  await refused.settle(1000 + INDEX_GRACE_MS);
  t.is(calls.length, 3);
  await refused.settle(5000);
  t.is(calls.length, 3, 'settled');
});

test('a look that fails is said and repeated', async (t) => {
  const { refused, calls, behaviour, log } = setUp();
  behaviour.fails = true;
  refused.restrict(1, ranges('198.51.100.0/24'), 4, 0);
  refused.begin();
  await refused.settle(5000);
  t.true(log.lines.every(({ level }) => level === 'error'));
  behaviour.fails = false;
  await refused.settle(5000);
  await refused.settle(5000);
  t.is(calls.length, 3);
});

test('release() forgets, and a newer list replaces an older one', async (t) => {
  const { refused, servers, calls } = setUp();
  refused.restrict(1, ranges('198.51.100.0/24'), 4, 0);
  refused.release(1);
  refused.restrict(2, ranges('198.51.100.0/24'), 4, 0);
  refused.restrict(2, ranges('2001:db8::/32'), 4, 0);
  await refused.settle(5000);
  t.deepEqual(servers(), [[[2]]]);
  t.is(calls[0]?.[0]?.allowed.length, 0, 'nobody of that family');
});
