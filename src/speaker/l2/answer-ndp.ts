import { isMulticastMac, type Mac } from '../../domain/mac.ts';
import {
  decodeEthernet,
  ETHERTYPE_IPV6,
  type EthernetFrame,
  encodeEthernet,
} from '../../protocol/ethernet.ts';
import {
  ALL_NODES,
  decodeNdp,
  encodeNdp,
  multicastMac,
  type NeighborSolicitation,
  UNSPECIFIED,
} from '../../protocol/ndp.ts';
import { drop, type Station, type Verdict } from './verdict.ts';

/**
 * Answers solicitations for announced VIPs (RFC 4861 §7.2.4): to who asked, or to all nodes when the
 * question came from `::` (duplicate address detection, where the answer says that the address is
 * taken). An advertisement of another station for our VIP is a conflict.
 */
export function answerNdp(bytes: Uint8Array, station: Station): Verdict {
  const ethernet = decodeEthernet(bytes);
  if (ethernet.drop) return drop(ethernet.drop);
  const { destination, source, etherType, payload } = ethernet.value;
  if (etherType !== ETHERTYPE_IPV6) return drop('etherType');
  if (destination !== station.mac && !isMulticastMac(destination)) return drop('notForUs');
  if (isMulticastMac(source)) return drop('sourceGroup');
  if (station.isOwnMac(source)) return drop('ownFrame');
  const ndp = decodeNdp(payload);
  if (ndp.drop) return drop(ndp.drop);
  const message = ndp.value;
  if (message.kind === 'advertisement') {
    if (!station.isAnnounced(message.target)) return drop('notRequest');
    return { kind: 'conflict', vip: message.target, mac: message.targetMac ?? source };
  }
  if (!station.isAnnounced(message.target)) return drop('notVip');
  const frame = advertisement(message, ethernet.value, station.mac);
  return { kind: 'answer', vip: message.target, frame };
}

function advertisement(
  asked: NeighborSolicitation,
  { source, vlan }: EthernetFrame,
  mac: Mac,
): Uint8Array {
  const probe = asked.source === UNSPECIFIED;
  return encodeEthernet({
    destination: probe ? multicastMac(ALL_NODES) : (asked.sourceMac ?? source),
    source: mac,
    vlan,
    etherType: ETHERTYPE_IPV6,
    payload: encodeNdp({
      kind: 'advertisement',
      source: asked.target,
      destination: probe ? ALL_NODES : asked.source,
      target: asked.target,
      // Nobody has a VIP as its router; and the flag must not change with the box that answers.
      router: false,
      solicited: !probe,
      override: true,
      targetMac: mac,
    }),
  });
}
