import { connect } from 'node:net';
import { formatAddress } from '../../domain/address.ts';
import { outcomeOfError, PASS, type Probe } from './probe.ts';

/**
 * Passes when a connection is established. It is closed by RST, so that neither side keeps a
 * TIME_WAIT entry; the kernel chooses the source address, which is never a VIP as no interface has one.
 */
export const probeTcp: Probe = (check, done) => {
  const socket = connect({ host: formatAddress(check.address), port: check.port });
  socket.on('connect', () => {
    socket.resetAndDestroy();
    done(PASS);
  });
  socket.on('error', (error) => done(outcomeOfError(error)));
  return { stop: () => socket.destroy(), stage: () => '' };
};
