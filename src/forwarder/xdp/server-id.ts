import { type Address, formatAddress } from '../../domain/address.ts';
import type { VirtualServer } from '../../domain/forwarding.ts';
import { IPPROTO, type VipKey } from './abi.ts';

/** The plan's id of a virtual server, from what the maps hold. */
export function serverId({ address, port, protocol }: VipKey): string {
  return `${formatAddress(address)} ${protocol === IPPROTO.TCP ? 'TCP' : 'UDP'} ${port}`;
}

/** The plan's id of a backend within its server. */
export function backendId(address: Address, port: number): string {
  return `${formatAddress(address)} ${port}`;
}

export function vipKeyOf({ address, port, protocol }: VirtualServer): VipKey {
  return { address, port, protocol: IPPROTO[protocol] };
}
