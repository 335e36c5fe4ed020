import { type Address, formatAddress } from '../../src/domain/address.ts';
import { parsePrefix } from '../../src/domain/prefix.ts';
import type { InterfaceAddress } from '../../src/protocol/rtnetlink/interface-address.ts';
import type { Link } from '../../src/protocol/rtnetlink/link.ts';
import type { Neighbour } from '../../src/protocol/rtnetlink/neighbour.ts';
import type { Route } from '../../src/protocol/rtnetlink/route.ts';
import type { NetworkEvent, Rtnetlink } from '../../src/system/rtnetlink.ts';
import { address } from './objects.ts';

/** A kernel's network tables as the test says them. */
export interface FakeRtnetlink {
  readonly kernel: Rtnetlink;
  readonly links: Link[];
  readonly addresses: InterfaceAddress[];
  readonly neighbours: Neighbour[];
  /** By destination text; what is missing has no route. */
  readonly routes: Map<string, Route>;
  /** Entries of the routing table that decide, by destination text. */
  readonly matches: Map<string, Route>;
  /** `ifindex address` of each use, in order. */
  readonly used: string[];
  /** `ifindex address mac` of each neighbour that was written, `failed` for one without. */
  readonly set: string[];
  /** Destinations asked for, in order. */
  readonly asked: string[];
  /** Makes uses fail with this code. */
  refusal: string | undefined;
  /** Makes the dumps fail with this message. */
  dumpFailure: string | undefined;
  /** Runs before each dump is answered. */
  onDump: () => void;
  readonly open: (onEvent: (event: NetworkEvent) => void) => Rtnetlink;
  tell(event: NetworkEvent): void;
}

export function link(ifindex: number, name: string, fields: Partial<Link> = {}): Link {
  return {
    ifindex,
    name,
    hardwareType: 1,
    mac: 0x0200_0000_0000 + ifindex,
    mtu: 1500,
    isUp: true,
    isRunning: true,
    isLoopback: false,
    usesArp: true,
    master: 0,
    parent: 0,
    vlan: undefined,
    kind: '',
    xdp: 'none',
    ...fields,
  } as Link;
}

export function interfaceAddress(ifindex: number, text: string): InterfaceAddress {
  return { ifindex, address: address(text), prefixLength: 24, isUsable: true };
}

export function neighbour(
  ifindex: number,
  text: string,
  mac: number | undefined,
  state: Neighbour['state'] = 'fresh',
): Neighbour {
  return { ifindex, address: address(text), mac, state } as Neighbour;
}

export function route(destination: string, fields: Partial<Route> = {}): Route {
  const prefix = parsePrefix(destination);
  if (!prefix) throw new Error(`"${destination}" is not a prefix`);
  return {
    destination: prefix,
    kind: 'unicast',
    ifindex: 2,
    gateway: undefined,
    source: address('10.0.0.1'),
    mtu: 0,
    protocol: 0,
    metric: 0,
    ...fields,
  };
}

export function fakeRtnetlink(): FakeRtnetlink {
  let listener: (event: NetworkEvent) => void = () => undefined;
  const dump = async <T>(table: readonly T[]) => {
    fake.onDump();
    if (fake.dumpFailure !== undefined) throw new Error(fake.dumpFailure);
    return [...table];
  };
  const fake: FakeRtnetlink = {
    links: [link(2, 'eth0')],
    addresses: [interfaceAddress(2, '10.0.0.1')],
    neighbours: [],
    routes: new Map(),
    matches: new Map(),
    used: [],
    set: [],
    asked: [],
    refusal: undefined,
    dumpFailure: undefined,
    onDump: () => undefined,
    open(onEvent) {
      listener = onEvent;
      return fake.kernel;
    },
    tell: (event) => listener(event),
    kernel: {
      links: () => dump(fake.links),
      addresses: () => dump(fake.addresses),
      neighbours: () => dump(fake.neighbours),
      async routeTo(destination: Address) {
        const text = formatAddress(destination);
        fake.asked.push(text);
        const found = fake.routes.get(text);
        return found ? { kind: 'route', route: found } : { kind: 'none', code: 'ENETUNREACH' };
      },
      async matchTo(destination: Address) {
        const found = fake.matches.get(formatAddress(destination));
        return found ? { kind: 'route', route: found } : { kind: 'none', code: 'ENETUNREACH' };
      },
      async useNeighbour(ifindex, to) {
        fake.used.push(`${ifindex} ${formatAddress(to)}`);
        if (fake.refusal) throw Object.assign(new Error('refused'), { code: fake.refusal });
      },
      async setNeighbour(ifindex, to, mac) {
        fake.set.push(`${ifindex} ${formatAddress(to)} ${mac ?? 'failed'}`);
        if (fake.refusal) throw Object.assign(new Error('refused'), { code: fake.refusal });
        const state = mac === undefined ? 'failed' : 'fresh';
        const written = { ifindex, address: to, mac, state } as const;
        listener({ kind: 'neighbour', neighbour: written, removed: false });
      },
      close: () => undefined,
    },
  };
  return fake;
}

/** Lets everything that is due in this turn of the event loop, and what follows from it, happen. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
