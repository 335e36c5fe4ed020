import { BROADCAST_MAC } from '../../domain/mac.ts';
import { decodeArp, encodeArp } from '../../protocol/arp.ts';
import { decodeEthernet, ETHERTYPE_ARP, encodeEthernet } from '../../protocol/ethernet.ts';
import { drop, type Station, type Verdict } from './verdict.ts';

/**
 * Answers requests for announced VIPs (RFC 826), probes from 0.0.0.0 included, which tells the prober
 * that the address is taken (RFC 5227 §2.1.1). Any packet of another station whose sender address is
 * our VIP is a conflict (RFC 5227 §2.4).
 */
export function answerArp(bytes: Uint8Array, station: Station): Verdict {
  const ethernet = decodeEthernet(bytes);
  if (ethernet.drop) return drop(ethernet.drop);
  const { destination, vlan, etherType, payload } = ethernet.value;
  if (etherType !== ETHERTYPE_ARP) return drop('etherType');
  if (destination !== BROADCAST_MAC && destination !== station.mac) return drop('notForUs');
  const arp = decodeArp(payload);
  if (arp.drop) return drop(arp.drop);
  const { operation, senderMac, senderAddress, targetAddress } = arp.value;
  if (station.isOwnMac(senderMac)) return drop('ownFrame');
  if (station.isAnnounced(senderAddress)) {
    return { kind: 'conflict', vip: senderAddress, mac: senderMac };
  }
  if (operation !== 'request') return drop('notRequest');
  if (!station.isAnnounced(targetAddress)) return drop('notVip');
  const reply = encodeArp({
    operation: 'reply',
    senderMac: station.mac,
    senderAddress: targetAddress,
    targetMac: senderMac,
    targetAddress: senderAddress,
  });
  const frame = encodeEthernet({
    destination: senderMac,
    source: station.mac,
    vlan,
    etherType: ETHERTYPE_ARP,
    payload: reply,
  });
  return { kind: 'answer', vip: targetAddress, frame };
}
