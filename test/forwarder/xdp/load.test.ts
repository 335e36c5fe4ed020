import { readdirSync, rmSync } from 'node:fs';
import test from 'ava';
import type { ForwarderSettings } from '../../../src/forwarder/settings.ts';
import { decode } from '../../../src/forwarder/xdp/abi.ts';
import { bpfMap } from '../../../src/forwarder/xdp/bpf-map.ts';
import { Dataplane } from '../../../src/forwarder/xdp/dataplane.ts';
import { loadProgram } from '../../../src/forwarder/xdp/load.ts';
import { indexKey } from '../../../src/forwarder/xdp/statistics.ts';
import { endFlows, sweepFlows } from '../../../src/system/bpf.ts';
import { forwarderSettings } from '../../netns/forwarder-settings.ts';
import { fakeClock } from '../../support/fake-clock.ts';
import { fakeNextHops } from '../../support/fake-next-hops.ts';
import { backend, virtualServer } from '../../support/objects.ts';
import { recordingLog } from '../../support/recording-log.ts';

/** The kernel's own maps, pinned in a folder of this test. */
const bpfDir = `/sys/fs/bpf/tg-${process.pid}-load`;
const limits = {
  flows: 64,
  servers: 4,
  backends: 8,
  affinity: 16,
  fragments: 16,
  sourceRanges: 16,
};

test.afterEach.always(() => rmSync(bpfDir, { recursive: true, force: true }));

function load(fields: Partial<ForwarderSettings> = {}) {
  return loadProgram(forwarderSettings({ bpfDir, runDir: '/run', limits, ...fields }));
}

test.serial('loadProgram() sizes the maps by the limits and writes the configuration', (t) => {
  const { object, layout, found } = load();
  t.false(found);
  const sizes = ['servers', 'backends', 'vips', 'flows', 'reverse'].map(
    (name) => bpfMap(object, name).maxEntries,
  );
  t.deepEqual(sizes, [5, 9, 8, 64, 128]);
  const config = decode(layout.config, bpfMap(object, 'config').lookup(indexKey(0)) as Uint8Array);
  t.like(config, {
    abiVersion: layout.version,
    flowMask: 63,
    reverseMask: 127,
    natPortFirst: 10_000,
    natPortLast: 29_999,
    tcpEstablishedSec: 3600,
  });
  object.close();
});

test.serial('a second load finds the maps and keeps the seed, and takes new timeouts', (t) => {
  const first = load();
  const seedOf = ({ object, layout }: typeof first) =>
    decode(layout.config, bpfMap(object, 'config').lookup(indexKey(0)) as Uint8Array);
  const before = seedOf(first);
  first.object.close();
  const timeouts = {
    tcpHalfOpen: 1,
    tcpEstablished: 2,
    tcpClosing: 3,
    tcpTimeWait: 6,
    udp: 4,
    udpStream: 5,
  };
  const second = load({ timeouts });
  t.true(second.found);
  t.is(seedOf(second).hashSeed, before.hashSeed);
  t.is(seedOf(second).udpSec, 4);
  second.object.close();
});

test.serial('other NAT ports do not hide the answers of flows that have the former ones', (t) => {
  const answerPorts = (first: number, last: number) => {
    const { object, config } = load({ natPorts: { first, last } });
    const { natPortFirst, natPortLast, answerPortFirst, answerPortLast } = config.get(0);
    object.close();
    t.deepEqual([natPortFirst, natPortLast], [first, last]);
    return [answerPortFirst, answerPortLast];
  };
  t.deepEqual(answerPorts(2000, 2999), [2000, 2999]);
  t.deepEqual(answerPorts(5000, 5999), [2000, 5999]);
  t.deepEqual(answerPorts(1500, 1999), [1500, 5999]);
});

test.serial('loadProgram() refuses other limits while maps are pinned, with the remedy', (t) => {
  load().object.close();
  t.throws(() => load({ limits: { ...limits, servers: 5 } }), {
    code: 'EABI',
    message: /Set forwarder\.limits as they were, or run "tidegate detach"/,
  });
  t.throws(() => load({ limits: { ...limits, flows: 100 } }), { message: /power of two/ });
});

test.serial("a data plane on the kernel's maps is adopted by the next one", async (t) => {
  const clock = fakeClock();
  const nextHops = fakeNextHops();
  const log = recordingLog();
  const filters: bigint[] = [];
  const start = () => {
    const program = load();
    const { found: adopt } = program;
    const parts = {
      ...program,
      nextHops,
      clock,
      log,
      sweepFlows,
      endFlows,
      setNatFilter: (natFilter: bigint) => void filters.push(natFilter),
      onHealed: () => undefined,
      adopt,
    };
    return { program, dataplane: new Dataplane(parts) };
  };
  const server = virtualServer('2001:db8::80 UDP 53', [backend('10.0.0.9 8080')], {
    choice: 'ring',
    ring: new Uint16Array(251),
  });
  const first = start();
  first.dataplane.update(server.id, server);
  first.program.object.close();
  const second = start();
  t.deepEqual([...second.dataplane.list()], [server.id]);
  second.dataplane.update(server.id, server);
  t.deepEqual(second.dataplane.usage().writes, { vips: 0, servers: 0, backends: 0, rings: 0 });
  second.dataplane.remove(server.id);
  clock.advance(1000);
  await second.dataplane.sweep();
  t.is(second.dataplane.usage().backends.used, 0);
  t.deepEqual(bpfMap(second.program.object, 'vips').entries(), []);
  t.true(readdirSync(bpfDir).includes('ring_chunk_0'));
  second.program.object.close();
});
