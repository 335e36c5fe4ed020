import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import { startBird } from '../../lab/routers/bird.ts';
import { startGobgp } from '../../lab/routers/gobgp.ts';
import { type BgpBox, createBgpBox } from '../netns/bgp-box.ts';
import {
  addressedService,
  advertisementManifest,
  BOX_ASN,
  peerManifest,
  poolManifest,
  together,
} from '../netns/bgp-manifests.ts';

/** A program that announces as many host routes as asked for, to one receiver that connects to it. */
export interface Announcer {
  readonly name: string;
  /** Of the process that announces. */
  pid(): number;
  /** Gives back what the bench holds for it. */
  close?(): Promise<void>;
}

export interface AnnouncerPlace {
  readonly lab: Lab;
  readonly host: Host;
  /** Of the host, and of the receiver. */
  readonly address: string;
  readonly receiver: string;
  readonly receiverAsn: number;
  readonly count: number;
  /** Another host on the switch, for who needs one. */
  readonly feeder: { readonly host: Host; readonly address: string };
}

const BASE = 0x0a80_0000; // 10.128.0.0

const hostsOf = (count: number) => Array.from({ length: count }, (_, index) => BASE + index);

const textOf = (host: number) => [24, 16, 8, 0].map((shift) => (host >>> shift) & 255).join('.');

/** Tidegate's controller and speaker, with a Service an address. */
export async function announceByTidegate(place: AnnouncerPlace): Promise<Announcer> {
  const { box } = await startFullBox(place, [{ address: place.receiver }]);
  return { name: 'Tidegate', pid: box.pid, close: box.close };
}

/** A box with a Service an address, all of which it can serve, and these receivers. */
export async function startFullBox(
  { lab, host, count, receiverAsn }: Omit<AnnouncerPlace, 'receiver' | 'feeder' | 'address'>,
  receivers: readonly { readonly address: string; readonly source?: string }[],
): Promise<{ readonly box: BgpBox; readonly served: Readonly<Record<string, readonly string[]>> }> {
  const addresses = hostsOf(count).map(textOf);
  const box = await createBgpBox(lab, host);
  box.write(
    'bgp',
    together(
      poolManifest('public', ['10.128.0.0/16']),
      advertisementManifest('public', { spec: {} }),
      ...receivers.map(({ address, source }, index) =>
        peerManifest(`receiver-${index + 1}`, {
          spec: { peerAddress: address, sourceAddress: source, peerASN: receiverAsn },
        }),
      ),
    ),
  );
  const named = addresses.map((address, index) => [`s${index}`, [address]] as const);
  box.write(
    'services',
    together(...named.map(([name, [each]]) => addressedService(name, [each as string]))),
  );
  const served = Object.fromEntries(named);
  await box.serve(served);
  await box.start();
  return { box, served };
}

export async function announceByBird(place: AnnouncerPlace): Promise<Announcer> {
  const { lab, host, address, count, receiver, receiverAsn } = place;
  const bird = await startBird(lab, host, {
    asn: BOX_ASN,
    routerId: address,
    neighbours: [{ address: receiver, asn: receiverAsn, families: ['ipv4'] }],
    announce: hostsOf(count).map((each) => `${textOf(each)}/32`),
  });
  return { name: 'BIRD', pid: bird.pid };
}

/** It takes the routes from a neighbour: there is no other quick way to give it many. */
export async function announceByGobgp(place: AnnouncerPlace): Promise<Announcer> {
  const { lab, host, address, count, receiver, receiverAsn, feeder } = place;
  const session = { families: ['ipv4'] } as const;
  const gobgp = await startGobgp(lab, host, {
    asn: BOX_ASN,
    routerId: address,
    neighbours: [
      { ...session, address: receiver, asn: receiverAsn },
      { ...session, address: feeder.address, asn: FEEDER_ASN },
    ],
  });
  await startBird(lab, feeder.host, {
    asn: FEEDER_ASN,
    routerId: feeder.address,
    neighbours: [{ ...session, address, asn: BOX_ASN }],
    announce: hostsOf(count).map((each) => `${textOf(each)}/32`),
  });
  const whole = new RegExp(`Destination: ${count}\\b`);
  while (!whole.test(await gobgp.ask('global rib summary -a ipv4'))) await sleep(POLL_MS);
  return { name: 'GoBGP', pid: gobgp.pid };
}

const FEEDER_ASN = 65002;
const POLL_MS = 50;
