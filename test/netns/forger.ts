/**
 * Claims another host's address by ARP replies or neighbour advertisements that nobody asked for.
 *
 * `node forger.ts <interface> <address> <victim address> <victim MAC> <times>`: one every 20 ms.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, formatAddress } from '../../src/domain/address.ts';
import { parseMac } from '../../src/domain/mac.ts';
import { encodeArp } from '../../src/protocol/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, encodeEthernet } from '../../src/protocol/ethernet.ts';
import { encodeNdp } from '../../src/protocol/ndp.ts';
import { openRtnetlink } from '../../src/system/rtnetlink.ts';
import { openSocket } from '../../src/system/sockets.ts';
import { address } from '../support/objects.ts';

const EVERY_MS = 20;

const alive = setInterval(() => undefined, 1000);
const [name = '', claimedText = '', victimText = '', victimMacText = '', times = ''] =
  process.argv.slice(2);
const claimed = address(claimedText);
const victim = address(victimText);
const victimMac = parseMac(victimMacText);
const kernel = openRtnetlink(() => undefined);
const own = (await kernel.links()).find((link) => link.name === name);
if (own?.mac === undefined || victimMac === undefined) throw new Error('No such interface or MAC');
const mac = own.mac;
const etherType = familyOf(claimed) === 4 ? ETHERTYPE_ARP : ETHERTYPE_IPV6;
const payload =
  familyOf(claimed) === 4
    ? encodeArp({
        operation: 'reply',
        senderMac: mac,
        senderAddress: claimed,
        targetMac: victimMac,
        targetAddress: victim,
      })
    : encodeNdp({
        kind: 'advertisement',
        source: claimed,
        destination: victim,
        target: claimed,
        router: false,
        solicited: true,
        override: true,
        targetMac: mac,
      });
const frame = { destination: victimMac, source: mac, vlan: undefined, etherType, payload };
const socket = openSocket(
  { family: 'packet', ifindex: own.ifindex, etherType },
  () => undefined,
  () => undefined,
);
for (let i = 0; i < Number(times); i++) {
  socket.send(encodeEthernet(frame));
  await sleep(EVERY_MS);
}
console.log(`Forged ${formatAddress(claimed)} ${times} times`);
socket.close();
kernel.close();
clearInterval(alive);
