import { type Address, familyOf } from '../../domain/address.ts';
import { BROADCAST_MAC, type Mac } from '../../domain/mac.ts';
import { encodeArp } from '../../protocol/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6, encodeEthernet } from '../../protocol/ethernet.ts';
import { ALL_NODES, encodeNdp, multicastMac } from '../../protocol/ndp.ts';

/**
 * What tells everybody on the wire, unasked, that `address` is at `mac`. IPv4: gratuitous ARP in both
 * forms, request (RFC 5227 §2.3) and reply (RFC 5944 §4.6), since devices exist that heed only one.
 * IPv6: an unsolicited neighbour advertisement with override (RFC 4861 §7.2.6).
 */
export function gratuitousFrames(address: Address, mac: Mac): Uint8Array[] {
  if (familyOf(address) === 6) return [unsolicitedAdvertisement(address, mac)];
  return [gratuitousArp(address, mac, 'request'), gratuitousArp(address, mac, 'reply')];
}

function gratuitousArp(address: Address, mac: Mac, operation: 'request' | 'reply'): Uint8Array {
  return encodeEthernet({
    destination: BROADCAST_MAC,
    source: mac,
    vlan: undefined,
    etherType: ETHERTYPE_ARP,
    payload: encodeArp({
      operation,
      senderMac: mac,
      senderAddress: address,
      // Linux takes a reply for gratuitous only when both MACs are the same.
      targetMac: operation === 'reply' ? mac : (0 as Mac),
      targetAddress: address,
    }),
  });
}

function unsolicitedAdvertisement(address: Address, mac: Mac): Uint8Array {
  return encodeEthernet({
    destination: multicastMac(ALL_NODES),
    source: mac,
    vlan: undefined,
    etherType: ETHERTYPE_IPV6,
    payload: encodeNdp({
      kind: 'advertisement',
      source: address,
      destination: ALL_NODES,
      target: address,
      router: false,
      solicited: false,
      override: true,
      targetMac: mac,
    }),
  });
}
