/**
 * A program that sends BFD packets of nobody's session for a second, as fast as it can:
 * `node bfd-flooder.ts <source> <destination>`. Prints how many.
 */
import { parseAddress } from '../../src/domain/address.ts';
import { encodeControlPacket } from '../../src/protocol/bfd/control-packet.ts';
import { openUdpSender } from '../../src/system/udp.ts';
import { controlPacket } from '../support/bfd-packets.ts';

const FLOOD_MS = 1000;
const PORT = 3784;

const [source, destination] = process.argv.slice(2).map(parseAddress);
if (source === undefined || destination === undefined) throw new Error('Two addresses are needed');
const sender = openUdpSender({
  family: 4,
  device: undefined,
  address: source,
  port: 50_000,
  scope: 0,
  ttl: 255,
  trafficClass: 0,
});
const bytes = encodeControlPacket(controlPacket());
let sent = 0;
for (const endMs = performance.now() + FLOOD_MS; performance.now() < endMs; sent++) {
  sender.send(bytes, destination, PORT, 0);
}
console.log(sent);
