import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { createLab } from '../../lab/lab.ts';
import { PACKET_BROADCAST, PACKET_OTHERHOST } from '../../src/system/sockets.ts';

const FIXTURE = fileURLToPath(new URL('./sockets.fixture.ts', import.meta.url));

/** Runs a scenario of the fixture where nothing else is on the wire. */
async function runScenario(t: ExecutionContext, name: string): Promise<unknown> {
  const lab = createLab();
  t.teardown(lab.remove);
  const host = lab.host('host');
  lab.cable({ host, name: 'a0' }, { host, name: 'b0' });
  const { code, stdout, stderr } = await host.finish([process.execPath, FIXTURE, name]);
  t.is(code, 0, stderr);
  return JSON.parse(stdout);
}

test('a netlink socket receives answers and events of its groups', async (t) => {
  const { dump, changed } = (await runScenario(t, 'netlink')) as {
    dump: { types: number[]; sequences: number[] };
    changed: number;
  };
  // RTM_NEWLINK for each link, then NLMSG_DONE.
  t.deepEqual(dump, { types: [16, 3], sequences: [7] });
  t.is(changed, 16);
});

test('a packet socket receives frames with type, interface and VLAN, each a copy', async (t) => {
  t.deepEqual(await runScenario(t, 'packet'), [
    arp('ffffffffffff', '01', PACKET_BROADCAST, 'none'),
    arp('02000000000b', '02', PACKET_OTHERHOST, 'none'),
    arp('ffffffffffff', '03', PACKET_BROADCAST, 0x2005),
  ]);
});

function arp(destination: string, byte: string, packetType: number, vlan: number | 'none') {
  return { destination, payload: byte.repeat(46), onB: true, packetType, vlan };
}

test('a packet socket passes only what its filter lets through', async (t) => {
  t.deepEqual(await runScenario(t, 'filter'), [1, 1]);
});

test('close() within a callback ends delivery, and a closed socket refuses use', async (t) => {
  const expected = { received: 1, codes: ['EBADF', 'EBADF'], left: 0 };
  t.deepEqual(await runScenario(t, 'closing'), expected);
});

test('a netlink socket reports lost events and goes on', async (t) => {
  t.deepEqual(await runScenario(t, 'overflow'), { code: 'ENOBUFS', goesOn: true });
});

test('a packet socket reports that its interface went down, and goes on once it is up', async (t) => {
  t.deepEqual(await runScenario(t, 'down'), { code: 'ENETDOWN', got: [7] });
});

test('an exception in a callback is an uncaught one and leaves the socket open', async (t) => {
  t.deepEqual(await runScenario(t, 'throwing'), ['frame 1', 'frame 2']);
});

test('groups are joined and left, at the latest when the socket closes', async (t) => {
  t.deepEqual(await runScenario(t, 'groups'), {
    whileJoined: { members: 1, macs: 1 },
    twice: 'EADDRINUSE',
    afterLeave: 0,
    afterClose: 0,
    macJoined: 1,
    macLeft: 0,
  });
});

test('workers have sockets of their own, which end with them', async (t) => {
  t.deepEqual(await runScenario(t, 'workers'), {
    before: 0,
    during: 3,
    received: [200, 200, 200],
    after: 0,
  });
});

test('an open socket does not keep the process alive', async (t) => {
  t.is(await runScenario(t, 'forgotten'), 'the process ends by itself');
});
