import type { Host } from '../../../lab/host.ts';
import type { LabProcess } from '../../../lab/process.ts';
import { BOXES, type BoxName, MACS } from './edge-pair.ts';

/** What is seen of the boxes on the segment of the VIPs, from the router. */
export interface Wire {
  /** The boxes that answer ARP, or neighbour discovery, for an address; takes a second. */
  answerersOf(vip: string): Promise<readonly BoxName[]>;
  /** The box to which the router would send packets now; `undefined`: it has not asked. */
  wayTo(vip: string): BoxName | undefined;
  /** Announcements so far that nobody had asked for, in order. */
  unasked(): readonly Announced[];
}

export interface Announced {
  readonly box: BoxName;
  readonly vip: string;
}

/** Both ways of saying unasked that an address lives here, as tcpdump shows them. */
const GRATUITOUS =
  /> (?:ff:ff:ff:ff:ff:ff|33:33:00:00:00:01), .*(?: tell |Reply | tgt is )(192\.0\.2\.\d{3}|2001:db8:f::\d{3})\b/;

export async function watchWire(router: Host): Promise<Wire> {
  const dump = router.start(['tcpdump', '-l', '-n', '-e', '-v', '-i', 'front', 'arp or icmp6']);
  await dump.prints(/listening on/);
  return {
    async answerersOf(vip) {
      // With a deadline it counts answers, and two answers to one question are not missed.
      const command = vip.includes(':')
        ? ['ndisc6', '-m', '-r', '1', '-w', '700', vip, 'front']
        : ['arping', '-b', '-c', '3', '-w', '1', '-I', 'front', vip];
      const { stdout } = await router.finish(command);
      return BOXES.filter((name) => stdout.toLowerCase().includes(MACS[name]));
    },
    wayTo: (vip) => boxIn(router.run(['ip', 'neigh', 'show', vip, 'dev', 'front'])),
    unasked: () => announcedIn(dump),
  };
}

function announcedIn(dump: LabProcess): readonly Announced[] {
  // With -v the rest of a packet stands on lines of its own.
  const packets = dump.output().replaceAll(/\n\s+/g, ' ').split('\n');
  return packets.flatMap((line) => {
    const box = boxIn(line.slice(0, line.indexOf('>')));
    const vip = GRATUITOUS.exec(line)?.[1];
    return box && vip !== undefined ? [{ box, vip }] : [];
  });
}

function boxIn(text: string): BoxName | undefined {
  return BOXES.find((name) => text.includes(MACS[name]));
}
