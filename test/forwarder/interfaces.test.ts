import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Interfaces, type InterfacesParts } from '../../src/forwarder/interfaces.ts';
import { followNetwork } from '../../src/forwarder/network.ts';
import type { Feature } from '../../src/system/ethtool.ts';
import { fakeBpf } from '../support/fake-bpf.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { fakeRtnetlink, interfaceAddress, link } from '../support/fake-rtnetlink.ts';
import { recordingLog } from '../support/recording-log.ts';

async function bench(setUp: (parts: ReturnType<typeof fakeRtnetlink>) => void = () => undefined) {
  const kernel = fakeRtnetlink();
  const clock = fakeClock();
  const log = recordingLog();
  const bpf = fakeBpf();
  const pinDir = mkdtempSync(join(tmpdir(), 'tg-links-'));
  setUp(kernel);
  const network = await followNetwork({ open: kernel.open, clock, log });
  const features: Record<string, Feature> = {};
  let changes = 0;
  const start = (fields: Partial<InterfacesParts> = {}) =>
    new Interfaces({
      object: bpf.object,
      network,
      wanted: ['eth0'],
      mode: 'auto',
      localClients: false,
      readFeatures: () => new Map(Object.entries(features)),
      pinDir,
      clock,
      log,
      onChange: () => {
        changes += 1;
      },
      ...fields,
    });
  const ports = () =>
    bpf.object.maps['ports']?.entries().map(({ key }) => new Uint32Array(key.slice().buffer)[0]);
  return { kernel, clock, log, bpf, pinDir, features, start, ports, changes: () => changes };
}

test.afterEach.always(() => {
  for (const name of readdirSync(tmpdir())) {
    if (name.startsWith('tg-links-'))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
});

function refuse(code: string) {
  return Object.assign(new Error(`Cannot attach: ${code}`), { code });
}

test('named interfaces carry the program, and packets may leave by them', async (t) => {
  const { bpf, start, ports } = await bench();
  const interfaces = start();
  t.deepEqual([...interfaces.ports()], [{ name: 'eth0', ifindex: 2, mode: 'native' }]);
  t.is(bpf.attached.get(2), 'native');
  t.deepEqual(ports(), [2]);
  t.true(interfaces.isPort(2));
});

test('auto mode falls back to generic and says why; native mode does not', async (t) => {
  const { bpf, log, start } = await bench();
  bpf.onAttach = (_, mode) => {
    if (mode === 'native') throw refuse('EOPNOTSUPP');
  };
  t.is([...start().ports()][0]?.mode, 'generic');
  t.regex(String(log.lines.at(-1)?.fields['reason']), /native mode refused: .*EOPNOTSUPP/);
  const strict = start({ mode: 'native' });
  t.deepEqual([...strict.ports()], []);
  t.regex(strict.problems()[0] ?? '', /refuses native mode .* set forwarder\.xdpMode to auto/);
});

test('a program that runs in generic mode keeps it over a restart, without a gap', async (t) => {
  const { bpf, pinDir, start } = await bench((kernel) => {
    kernel.links[0] = link(2, 'eth0', { xdp: 'generic' });
  });
  writeFileSync(join(pinDir, 'eth0'), '');
  start();
  t.is(bpf.attached.get(2), 'generic');
});

test("somebody else's program is left alone, named, and waited for", async (t) => {
  const { bpf, clock, start } = await bench();
  const modes: string[] = [];
  bpf.onAttach = (_, mode) => {
    modes.push(mode);
    throw refuse('EBUSY');
  };
  const interfaces = start();
  t.deepEqual(modes, ['native']);
  t.regex(interfaces.problems()[0] ?? '', /"eth0" carries another XDP program/);
  bpf.onAttach = () => undefined;
  clock.advance(10_000);
  t.true(interfaces.isPort(2));
  t.deepEqual(interfaces.problems(), []);
});

test('interfaces that go and come are followed', async (t) => {
  const { kernel, bpf, start, ports, changes } = await bench();
  const interfaces = start({ wanted: ['eth0', 'eth1'] });
  t.regex(interfaces.problems()[0] ?? '', /"eth1" of forwarder\.interfaces does not exist/);
  kernel.tell({ kind: 'link', link: link(2, 'eth0'), removed: true });
  t.false(interfaces.isPort(2));
  t.deepEqual(ports(), []);
  kernel.tell({ kind: 'link', link: link(9, 'eth0'), removed: false });
  kernel.tell({ kind: 'link', link: link(10, 'eth1'), removed: false });
  t.deepEqual([...bpf.attached.keys()], [2, 9, 10]);
  t.deepEqual(ports(), [9, 10]);
  t.deepEqual(interfaces.problems(), []);
  t.is(changes(), 4);
});

test('without names, all are taken that are up, Ethernet, no tunnel and hold an address', async (t) => {
  const { kernel, start } = await bench((tables) => {
    tables.links.push(
      link(1, 'lo', { isLoopback: true, hardwareType: 772 }),
      link(3, 'down0', { isUp: false }),
      link(4, 'bare0'),
      link(5, 'vxlan0', { kind: 'vxlan' }),
      link(6, 'wg0', { hardwareType: 65_534, mac: undefined }),
      link(7, 'eth1'),
    );
    tables.addresses.push(
      ...[1, 3, 5, 6].map((ifindex) => interfaceAddress(ifindex, `10.${ifindex}.0.1`)),
      interfaceAddress(7, 'fe80::7'),
    );
  });
  const interfaces = start({ wanted: [] });
  const names = () => [...interfaces.ports()].map(({ name }) => name);
  t.deepEqual(names(), ['eth0', 'eth1']);
  kernel.tell({ kind: 'address', address: interfaceAddress(4, '10.4.0.1'), removed: false });
  t.deepEqual(names(), ['eth0', 'eth1', 'bare0']);
});

test('the program is taken off interfaces that are no longer named', async (t) => {
  const { bpf, pinDir, start, ports } = await bench();
  mkdirSync(pinDir, { recursive: true });
  for (const pin of ['eth0', 'eth1%2e100']) writeFileSync(join(pinDir, pin), '');
  const key = new Uint8Array(new Uint32Array([44]).buffer);
  bpf.object.maps['ports']?.update(key, key);
  start();
  t.deepEqual(readdirSync(pinDir), ['eth0']);
  t.deepEqual(ports(), [2]);
});

test('a VLAN interface is pinned under a name that bpffs takes', async (t) => {
  const { bpf, pinDir, start } = await bench((kernel) => {
    // Its parent is in another network namespace.
    const vlan = { tpid: 0x8100, vid: 100 };
    kernel.links.push(link(8, 'eth0.100', { kind: 'vlan', vlan }));
  });
  const pins: string[] = [];
  bpf.onAttach = (_ifindex, _mode, pin) => pins.push(pin);
  start({ wanted: ['eth0.100'] });
  t.deepEqual(pins, [join(pinDir, 'eth0%2e100')]);
});

const vlanOn = (ifindex: number, name: string, parent: number) =>
  link(ifindex, name, { kind: 'vlan', parent, vlan: { tpid: 0x8100, vid: 100 } });

test('a VLAN device stands for its parent, a member for its bond or bridge', async (t) => {
  const { bpf, start } = await bench((kernel) => {
    kernel.links.push(
      vlanOn(8, 'eth0.100', 2),
      link(3, 'eth1', { master: 5 }),
      link(4, 'eth2', { master: 5 }),
      link(5, 'bond0', { kind: 'bond' }),
      vlanOn(9, 'bond0.7', 5),
      link(6, 'eth3', { master: 7 }),
      link(7, 'br0', { kind: 'bridge' }),
    );
  });
  start({ wanted: ['eth0.100', 'eth1', 'eth2', 'bond0.7', 'eth3'] });
  t.deepEqual([...bpf.attached.keys()], [2, 5, 7]);
});

test('without names, the parent of a VLAN device with an address is taken', async (t) => {
  const { bpf, start } = await bench((kernel) => {
    kernel.links.push(link(3, 'eth1'), vlanOn(8, 'eth1.100', 3));
    kernel.addresses.push(interfaceAddress(8, '10.8.0.1'));
  });
  start({ wanted: [] });
  t.deepEqual([...bpf.attached.keys()], [2, 3]);
});

test('in auto mode one generic port makes all of them generic', async (t) => {
  const { bpf, log, start } = await bench((kernel) => {
    kernel.links.push(link(3, 'br0', { kind: 'bridge' }));
  });
  bpf.onAttach = (ifindex, mode) => {
    if (ifindex === 3 && mode === 'native') throw refuse('EOPNOTSUPP');
  };
  const interfaces = start({ wanted: ['eth0', 'br0'] });
  t.deepEqual(
    [...interfaces.ports()].map(({ name, mode }) => `${name} ${mode}`),
    ['eth0 generic', 'br0 generic'],
  );
  t.is(bpf.attached.get(2), 'generic');
  t.true(log.lines.some(({ message }) => message === 'Native mode is given up'));
});

test("the way of the box's own clients is generic, and no port towards the network", async (t) => {
  const { kernel, bpf, start, ports, changes } = await bench();
  const interfaces = start({ localClients: true });
  const before = changes();
  kernel.tell({ kind: 'link', link: link(20, 'tidegate0', { kind: 'veth' }), removed: false });
  kernel.tell({ kind: 'link', link: link(21, 'tidegate1', { kind: 'veth' }), removed: false });
  t.is(bpf.attached.get(21), 'generic');
  t.false(bpf.attached.has(20));
  t.deepEqual(interfaces.localPort(), { name: 'tidegate1', ifindex: 21, mode: 'generic' });
  t.deepEqual(
    [...interfaces.ports()].map(({ name, mode }) => `${name} ${mode}`),
    ['eth0 native'],
  );
  t.deepEqual(ports(), [2, 21]);
  t.is(changes(), before + 1);
  kernel.tell({ kind: 'link', link: link(21, 'tidegate1'), removed: true });
  t.is(interfaces.localPort(), undefined);
  t.deepEqual(ports(), [2]);
});

test('interfaces of our own are never taken for ports', async (t) => {
  const { bpf, start } = await bench((kernel) => {
    kernel.links.push(link(20, 'tidegate0'), link(21, 'tidegate1'));
    kernel.addresses.push(interfaceAddress(20, '10.20.0.1'), interfaceAddress(21, '10.21.0.1'));
  });
  start({ wanted: [] });
  t.deepEqual([...bpf.attached.keys()], [2]);
});

test("the program is taken off the local clients' way when they are switched off", async (t) => {
  const { pinDir, start } = await bench();
  for (const pin of ['eth0', 'tidegate1']) writeFileSync(join(pinDir, pin), '');
  start({ localClients: true });
  t.deepEqual(readdirSync(pinDir).sort(), ['eth0', 'tidegate1']);
  start({ wanted: [], localClients: false });
  t.deepEqual(readdirSync(pinDir), ['eth0']);
});

test('an offload that hides the wire is a problem until it is off', async (t) => {
  const { clock, log, features, start } = await bench();
  features['rx-lro'] = { active: true, fixed: false };
  const interfaces = start();
  t.regex(interfaces.problems()[0] ?? '', /ethtool -K eth0 lro off$/);
  t.true(interfaces.isPort(2));
  clock.advance(30_000);
  t.is(log.lines.filter(({ message }) => message === 'Offload in the way').length, 1);
  delete features['rx-lro'];
  clock.advance(10_000);
  t.deepEqual(interfaces.problems(), []);
  features['rx-gro-hw'] = { active: true, fixed: false };
  clock.advance(60_000);
  t.is(interfaces.problems().length, 1);
});

test("a bond's members are ways out by the bond", async (t) => {
  const { kernel, bpf, start, ports } = await bench((tables) => {
    tables.links.push(link(5, 'bond0', { kind: 'bond' }), link(3, 'eth1', { master: 5 }));
  });
  const wayBy = (ifindex: number) => {
    const key = new Uint8Array(new Uint32Array([ifindex]).buffer);
    const value = bpf.object.maps['ports']?.lookup(key)?.slice();
    return value && new Uint32Array(value.buffer)[0];
  };
  start({ wanted: ['bond0'] });
  t.deepEqual([wayBy(5), wayBy(3), wayBy(2)], [5, 5, undefined]);
  kernel.tell({ kind: 'link', link: link(4, 'eth2', { master: 5 }), removed: false });
  kernel.tell({ kind: 'link', link: link(3, 'eth1'), removed: false });
  t.deepEqual([wayBy(4), wayBy(3)], [5, undefined]);
  t.deepEqual(ports()?.sort(), [4, 5]);
});
