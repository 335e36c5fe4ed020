import test from 'ava';
import {
  encodeStruct,
  LOOPBACK,
  macBytes,
  openDataplane,
  u32,
} from '../support/dataplane-fixture.ts';
import { icmp, tcp, udp } from '../support/packet.ts';

const dataplane = openDataplane();
const VIP = '192.0.2.10';
const CLIENT = '198.51.100.7:50123';
const OURS = '02:00:00:00:00:aa';
const OTHERS = '02:00:00:00:00:bb';

test.beforeEach(() => {
  dataplane.reset({ flags: 3 }); // reject and reset where there is nothing better
  dataplane.server({ index: 1, vip: VIP, port: 80, protocol: 'tcp', ring: [1] });
  dataplane.backend({ index: 1, address: '10.1.0.1', port: 8080, server: 1 });
  listenAs(OURS);
});

function listenAs(mac: string): void {
  const entry = encodeStruct('tg_interface', { mtu: 1500, mac: macBytes(mac) });
  dataplane.map('interfaces').update(u32(LOOPBACK), entry);
}

const to = `${VIP}:80`;
const PACKETS: Record<string, (dstMac: string) => Uint8Array> = {
  'a SYN': (dstMac) => tcp({ from: CLIENT, to, flags: 'S', dstMac }),
  'TCP in mid-stream': (dstMac) => tcp({ from: CLIENT, to, flags: 'A', dstMac }),
  'TCP to another port': (dstMac) => tcp({ from: CLIENT, to: `${VIP}:81`, flags: 'S', dstMac }),
  'UDP to another port': (dstMac) => udp({ from: CLIENT, to: `${VIP}:53`, dstMac }),
  'a SYN with TTL 1': (dstMac) => tcp({ from: CLIENT, to, flags: 'S', ttl: 1, dstMac }),
  'a ping': (dstMac) => icmp({ from: '198.51.100.7', to: VIP, type: 8, dstMac }),
};
for (const [name, build] of Object.entries(PACKETS)) {
  test.serial(`${name} in a frame for another box is the kernel's, which drops it`, (t) => {
    const { verdict, packet } = dataplane.send(build(OTHERS));
    t.is(verdict, 'pass');
    t.deepEqual(packet, build(OTHERS));
    t.deepEqual(dataplane.flows(), []);
    t.is(dataplane.send(build(OURS)).verdict, 'tx', 'in a frame for us it is ours');
  });
}

test.serial('packets of a flow go on, whatever frame they come in', (t) => {
  dataplane.send(PACKETS['a SYN']?.(OURS) ?? new Uint8Array());
  const next = tcp({ from: CLIENT, to, flags: 'A', dstMac: OTHERS });
  t.is(dataplane.send(next).verdict, 'tx');
});

test.serial('without a MAC of its own an interface takes every frame', (t) => {
  listenAs('00:00:00:00:00:00');
  t.is(dataplane.send(PACKETS['a SYN']?.(OTHERS) ?? new Uint8Array()).verdict, 'tx');
});
