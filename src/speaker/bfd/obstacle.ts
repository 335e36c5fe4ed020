import { familyOf, formatAddress, isLinkLocal } from '../../domain/address.ts';
import { HASH_SIZE } from '../../protocol/bfd/authentication.ts';
import type { SessionOrder } from './order.ts';

/** Why such a session cannot be, whatever the network does; empty: it can. */
export function obstacleOf({ path, echoMode, profile }: SessionOrder): string {
  const { remote, local, authentication } = path;
  if (echoMode) {
    return (
      `BFDProfile "${profile}" asks for echo mode, which Tidegate does not do: packets that come` +
      ' back prove nothing of the program at the other end; set "echoMode" to false'
    );
  }
  if (isLinkLocal(remote) && path.interface === undefined) {
    return `${formatAddress(remote)} is a link-local address; say on which "interface"`;
  }
  if (local !== undefined && familyOf(local) !== familyOf(remote)) {
    const pair = `${formatAddress(local)} and ${formatAddress(remote)}`;
    return `The source address and the peer's are of two families: ${pair}`;
  }
  const length = authentication?.key.length ?? HASH_SIZE;
  if (length === 0 || length > HASH_SIZE) {
    return `A BFD key has 1 to ${HASH_SIZE} bytes, and this one has ${length}`;
  }
  return '';
}
