import { availableParallelism } from 'node:os';
import test from 'ava';
import { expectPacket, openDataplane } from '../support/dataplane-fixture.ts';
import { FAMILIES, natWorld, TO_CLIENT } from '../support/nat-world.ts';
import { icmp } from '../support/packet.ts';
import { openReplay } from '../support/replay.ts';

/** Echo requests to a VIP; what else comes by ICMP is in the tests of errors and of parsing. */
const dataplane = openDataplane();
test.beforeEach(() => dataplane.reset());

const TYPES = { IPv4: { request: 8, reply: 0 }, IPv6: { request: 128, reply: 129 } } as const;

for (const family of FAMILIES) {
  const { request, reply } = TYPES[family];

  test.serial(`an echo request comes back with its data, tags and padding (${family})`, (t) => {
    const { client, vip } = natWorld(dataplane, family, 'TCP');
    for (const vlans of [
      [],
      [{ id: 7 }],
      [
        { id: 7, service: true },
        { id: 9, priority: 4 },
      ],
    ]) {
      const fields = { vlans, payload: 'odd', padding: 11 };
      const ping = icmp({ from: client, to: vip, type: request, ttl: 5, ...fields });
      const pong = icmp({ from: vip, to: client, type: reply, ttl: 64, ...TO_CLIENT, ...fields });
      expectPacket(t, dataplane.send(ping), 'tx', pong);
    }
    t.deepEqual(dataplane.counters(), { echo_replied: 3 });
  });

  test.serial(`an echo request from nobody or everybody is not answered (${family})`, (t) => {
    const { vip } = natWorld(dataplane, family, 'TCP');
    for (const from of family === 'IPv4' ? ['0.0.0.0', '255.255.255.255'] : ['::', 'ff02::1']) {
      const ping = icmp({ from, to: vip, type: request });
      expectPacket(t, dataplane.send(ping), 'drop', ping);
    }
    t.deepEqual(dataplane.counters(), { drop_martian: 2 });
  });
}

test.serial(
  'a flood of pings is answered up to a limit, and takes nothing from other replies',
  async (t) => {
    const { client, vip, request } = natWorld(dataplane, 'IPv4', 'UDP');
    const replay = openReplay(dataplane.object);
    t.teardown(() => replay.close());
    replay.load({ packet: icmp({ from: client, to: vip, type: 8 }), clients: 1 });
    const pings = 100_000;
    await replay.run(pings, availableParallelism() - 1);
    const { echo_replied = 0, drop_echo_limit = 0 } = dataplane.counters();
    t.is(echo_replied + drop_echo_limit, pings);
    // A quarter of a second's worth at once, and what the flood's duration adds.
    t.true(echo_replied >= 2500 && echo_replied < 50_000, `${echo_replied}`);
    t.is(dataplane.send(request({ ttl: 1 })).verdict, 'tx');
  },
);
