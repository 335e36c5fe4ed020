import type { ControlPacket } from '../../src/protocol/bfd/control-packet.ts';

/** A packet of a peer that is Down, with discriminator 9, that knows of nobody. */
export function controlPacket(changes: Partial<ControlPacket> = {}): ControlPacket {
  return {
    diagnostic: 0,
    state: 'Down',
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMultiplier: 3,
    myDiscriminator: 9,
    yourDiscriminator: 0,
    desiredMinTxUs: 1_000_000,
    requiredMinRxUs: 50_000,
    requiredMinEchoRxUs: 0,
    ...changes,
  };
}
