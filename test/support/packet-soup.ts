/**
 * Packets of every kind, in sequences that make sense to the program: clients and backends that
 * carry on what they began, routers that complain about it, damage and nonsense in between. The same
 * numbers make the same soup.
 */
import { type Dataplane, type FlowEntry, NAT_V4, NAT_V6 } from './dataplane-fixture.ts';
import { fragmentsOf } from './fragments.ts';
import { readFrame } from './frame-reader.ts';
import type { Mutator } from './mutate.ts';
import { at, FROM_BACKEND } from './nat-world.ts';
import { type Extension, icmp, ip, type PacketFields, tcp, udp, type Vlan } from './packet.ts';

export const SOUP_VIPS = ['192.0.2.10', '2001:db8::10'] as const;
export const SOUP_CLIENTS = [
  ['198.51.100.7', '198.51.100.8', '203.0.113.9'],
  ['2001:db8:77::7', '2001:db8:77::8', '2001:db8:78::9'],
] as const;
export const SOUP_BACKENDS = [
  ['10.1.0.5', '10.1.0.6'],
  ['fd01::5', 'fd01::6'],
] as const;
export const SOUP_PORTS = { tcp: 80, udp: 53 } as const;
export const BACKEND_PORT = 8080;
const ROUTERS = ['203.0.113.1', '2001:db8:99::1'] as const;
const NATS = [NAT_V4, NAT_V6] as const;

const TCP_FLAGS = ['S', 'S', 'S', 'A', 'A', 'A', 'PA', 'FA', 'R', 'RA', 'SA', 'SF', 'F', ''];
const ANSWER_FLAGS = ['SA', 'SA', 'SA', 'A', 'PA', 'FA', 'R', 'RA', 'S', 'A'];
const PADDING: Extension = { header: 60, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) };
const ROUTE: Extension = { header: 43, rest: new Uint8Array([0, 4, 0, 0, 0, 0, 0]) };
const EVIL_ROUTE: Extension = { header: 43, rest: new Uint8Array([0, 0, 1, 0, 0, 0, 0]) };
const ALONE: Extension = { header: 44, rest: new Uint8Array([0, 0, 0, 0, 0, 0, 7]) };
const HOPS: Extension = { header: 0, rest: new Uint8Array([0, 1, 4, 0, 0, 0, 0]) };
const EXTENSIONS: readonly Extension[] = [PADDING, ROUTE, EVIL_ROUTE, ALONE, HOPS];
const OPTIONS = [
  new Uint8Array([7, 7, 4, 0, 0, 0, 0, 1]),
  new Uint8Array([1, 1, 1, 0]),
  new Uint8Array([131, 7, 4, 10, 0, 0, 1, 0]),
];
const TAGS: readonly (readonly Vlan[])[] = [
  [
    { id: 100, service: true },
    { id: 7, priority: 5 },
  ],
  [{ id: 9 }],
  [{ id: 0, priority: 3 }],
  [{ id: 1 }, { id: 2 }, { id: 3 }],
];
const REMEMBERED = 32;

export interface Soup {
  /** The next packet. */
  next(): Uint8Array;
  /** Tells what became of a packet, for those that follow from it. */
  saw(sent: Uint8Array): void;
}

type Side = 0 | 1;

export interface SoupBackend {
  readonly six: Side;
  readonly proto: 'tcp' | 'udp';
  readonly address: string;
  /** Two backends have one server. */
  readonly server: number;
}

/** Who stands at an index, from 1 to 8. */
export function soupBackend(index: number): SoupBackend {
  const number = index - 1;
  const six = (number >> 2) as Side;
  return {
    six,
    proto: (number & 2) === 0 ? 'tcp' : 'udp',
    address: SOUP_BACKENDS[six][(number & 1) as Side],
    server: (number >> 1) + 1,
  };
}

export function createSoup(dataplane: Dataplane, { random, mutate }: Mutator): Soup {
  /** What was sent lately: frames that ICMP errors are about, and cookies to be returned. */
  const frames: Uint8Array[] = [];
  const waiting: Uint8Array[] = [];
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;
  const side = () => random(2) as Side;
  const near = (value: number) => (value + pick([0, 0, 0, 1, 20, -1, 70_000, 2 ** 30])) >>> 0;

  function decoration(six: boolean): Partial<PacketFields> {
    return {
      ttl: pick([64, 64, 64, 2, 1, 0, 255]),
      payload: new Uint8Array(pick([0, 0, 1, 9, 100, 600])).fill(0x5a),
      ...(random(6) === 0 ? { vlans: pick(TAGS) } : {}),
      ...(random(8) === 0 ? { padding: 1 + random(20) } : {}),
      ...(random(8) === 0 && !six ? { ipOptions: pick(OPTIONS) } : {}),
      ...(random(6) === 0 && six
        ? { extensions: Array.from({ length: 1 + random(4) }, () => pick(EXTENSIONS)) }
        : {}),
      ...(random(20) === 0 && !six ? { noChecksum: true } : {}),
    };
  }

  function clientOf(six: Side, port = 50_000 + random(6)): string {
    return at(pick(SOUP_CLIENTS[six]), port);
  }

  function request(): Uint8Array {
    const six = side();
    const proto = pick(['tcp', 'tcp', 'udp'] as const);
    const flow = pick([undefined, ...dataplane.flows()]);
    const fields = {
      from: clientOf(six, flow?.clientPort),
      to: at(SOUP_VIPS[six], random(12) === 0 ? 81 : SOUP_PORTS[proto]),
      flags: pick(TCP_FLAGS),
      seq: near(flow?.clientSeq ?? 1000),
      ack: near(flow?.backendSeq ?? 5000),
      tcpOptions: pick([new Uint8Array(), new Uint8Array([2, 4, 5, 0x78])]),
      ...decoration(six === 1),
    };
    return (proto === 'tcp' ? tcp : udp)(fields);
  }

  function answer({ backend, natPort, backendSeq, clientSeq, flags }: FlowEntry): Uint8Array {
    const { proto, six, address } = soupBackend(backend);
    const isNew = (flags & 16) === 0;
    return (proto === 'tcp' ? tcp : udp)({
      from: at(address, BACKEND_PORT),
      to: at(NATS[six], natPort),
      flags: isNew ? pick(ANSWER_FLAGS) : pick(['A', 'PA', ...ANSWER_FLAGS]),
      seq: near(isNew ? 5000 : backendSeq),
      ack: near(clientSeq),
      ...FROM_BACKEND,
      ...decoration(six === 1),
    });
  }

  /** About a frame that was seen on a wire, to its sender. */
  function complaint(about: Uint8Array): Uint8Array {
    const read = readFrame(about);
    if (read === undefined) return request();
    const { six, src } = read.ip;
    const l3 = 14 + 4 * read.tags;
    const quote = about.slice(l3, l3 + pick([28, 28, 48, 60, 8, 576, 1200]));
    return icmp({
      from: ROUTERS[six ? 1 : 0],
      to: textOf(src),
      type: six ? pick([1, 2, 3, 4, 5]) : pick([3, 3, 11, 12, 5]),
      code: random(5),
      info: pick([0, 1400, 1 << 24]),
      ...decoration(six),
      payload: quote,
    });
  }

  function other(): Uint8Array {
    const six = side();
    const fields = { from: pick(SOUP_CLIENTS[six]), to: pick([SOUP_VIPS[six], NATS[six]]) };
    const extra = decoration(six === 1);
    const kind = random(3);
    if (kind === 0) return ip({ ...fields, ...extra }, pick([1, 47, 50, 58, 132, 59, 60]));
    const type = six ? pick([128, 129, 133, 135, 136, 1]) : pick([8, 0, 13, 4, 3]);
    return icmp({ ...fields, ...extra, type, code: pick([0, 0, 1]) });
  }

  /** The acknowledgement of a SYN-ACK of the program's own. */
  function returned(synAck: Uint8Array): Uint8Array {
    const { ip: read } = readFrame(synAck) ?? {};
    if (read?.ports === undefined) return request();
    const [vipPort, clientPort] = read.ports;
    return tcp({
      from: at(textOf(read.dst), clientPort),
      to: at(textOf(read.src), vipPort),
      flags: pick(['A', 'A', 'A', 'PA', 'FA']),
      seq: read.ack + pick([0, 0, 0, 1, -1]),
      ack: read.seq + pick([1, 1, 1, 1, 0, 2]),
      ...decoration(read.six),
    });
  }

  function make(): Uint8Array {
    const flows = dataplane.flows();
    switch (random(12)) {
      case 0:
        return other();
      case 1:
      case 2:
        return frames.length > 0 ? complaint(pick(frames)) : request();
      case 3:
      case 4: {
        const synAcks = frames.filter(isSynAck);
        return synAcks.length > 0 ? returned(pick(synAcks)) : request();
      }
      case 5:
      case 6:
      case 7:
      case 8:
        return flows.length > 0 ? answer(pick(flows)) : request();
      default:
        return request();
    }
  }

  function cut(packet: Uint8Array): void {
    const read = readFrame(packet);
    const plain = read?.tags === 0 && (read.ip.six || packet[14] === 0x45);
    if (!plain || packet.length < 100) return;
    const pieces = fragmentsOf(packet, 48, random(4));
    while (pieces.length > 0) waiting.push(...pieces.splice(random(pieces.length), 1));
  }

  return {
    next() {
      if (waiting.length > 0 && random(3) > 0) return waiting.shift() as Uint8Array;
      const packet = make();
      if (random(10) === 0) cut(packet);
      if (random(4) > 0) return packet;
      const into = new Uint8Array(packet.length + 64);
      return into.slice(0, Math.max(14, mutate(packet, into)));
    },
    saw(sent) {
      frames.push(sent);
      if (frames.length > REMEMBERED) frames.shift();
    },
  };
}

function isSynAck(frame: Uint8Array): boolean {
  return ((readFrame(frame)?.ip.flags ?? 0) & 0x12) === 0x12;
}

/** An address of `frame-reader.ts` as text. */
export function textOf(hex: string): string {
  if (hex.length === 8) return [...Buffer.from(hex, 'hex')].join('.');
  return (hex.match(/.{4}/g) ?? []).join(':');
}
