/** Runs on a host of the lab, and prints what is found at the other end of an interface. */
import { formatAddress } from '../../../../src/domain/address.ts';
import { discoverNeighbour } from '../../../../src/speaker/bgp/place/neighbour-discovery.ts';
import { realClock } from '../../../../src/system/real-clock.ts';
import { openRtnetlink } from '../../../../src/system/rtnetlink.ts';
import { openGroupSocket, openSocket } from '../../../../src/system/sockets.ts';
import { recordingLog } from '../../../support/recording-log.ts';

const alive = setInterval(() => undefined, 1000);
const discovery = discoverNeighbour(
  {
    openRtnetlink,
    wire: { openPacketSocket: openSocket, openGroupSocket },
    clock: realClock,
    log: recordingLog(),
    random: Math.random,
  },
  process.argv[2] ?? '',
  (router, obstacle) => console.log(router === undefined ? obstacle : formatAddress(router)),
);
process.once('SIGTERM', () => {
  discovery.close();
  clearInterval(alive);
});
