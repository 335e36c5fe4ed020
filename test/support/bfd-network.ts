import { type Address, familyOf } from '../../src/domain/address.ts';
import type { Clock } from '../../src/domain/clock.ts';
import type { Wire } from '../../src/speaker/bfd/wire.ts';
import type { Datagram, UdpOptions } from '../../src/system/udp.ts';

/** A host's sockets on a network of the test's own. */
export interface NetworkHost {
  readonly wire: Wire;
  readonly address: Address;
  /** Interface → index; what is not there has no such interface. */
  readonly interfaces: Map<string, number>;
  /** What sending throws from now on; `undefined`: nothing. */
  sendError: NodeJS.ErrnoException | undefined;
  /** What opening a receiver throws from now on. */
  openError: NodeJS.ErrnoException | undefined;
  /** Datagrams wait in the sockets until somebody asks: the event loop is busy. */
  busy: boolean;
  /** Open ones. */
  readonly senders: Set<UdpOptions>;
  readonly receivers: Set<Receiver>;
  /** Everything it sent. */
  readonly sent: { readonly bytes: Uint8Array; readonly to: Address; readonly port: number }[];
  /** Something arrives as if from the network. */
  arrive(port: number, datagram: Partial<Datagram> & { readonly bytes: Uint8Array }): void;
  /** The event loop comes to the sockets. */
  settle(): void;
}

export interface Receiver {
  readonly options: UdpOptions;
  readonly waiting: Datagram[];
  readonly take: (datagram: Datagram) => void;
}

export interface Network {
  /** A host with this address, in place of the one that had it. */
  host(address: Address): NetworkHost;
  /** Sources whose packets are lost. */
  readonly muted: Set<Address>;
}

const DELAY_MS = 1;

export function bfdNetwork(clock: Clock): Network {
  const hosts = new Map<Address, NetworkHost>();
  const muted = new Set<Address>();

  function host(address: Address): NetworkHost {
    const senders = new Set<UdpOptions>();
    const receivers = new Set<Receiver>();
    const self: NetworkHost = {
      address,
      interfaces: new Map([['eth0', 2]]),
      sendError: undefined,
      openError: undefined,
      busy: false,
      senders,
      receivers,
      sent: [],
      wire: {
        interfaceIndex: (name) => self.interfaces.get(name),
        openSender(options) {
          if ([...senders].some(({ port }) => port === options.port)) throw failure('EADDRINUSE');
          senders.add(options);
          return {
            send(bytes, to, port) {
              if (self.sendError) throw self.sendError;
              self.sent.push({ bytes, to, port });
              if (muted.has(address) || hosts.get(address) !== self) return;
              const { ttl, port: sourcePort } = options;
              const datagram = { bytes, source: address, ttl, sourcePort };
              clock.after(DELAY_MS, () => hosts.get(to)?.arrive(port, datagram));
            },
            close: () => void senders.delete(options),
          };
        },
        openReceiver(options, take) {
          if (self.openError) throw self.openError;
          const receiver = { options, waiting: [], take };
          receivers.add(receiver);
          return {
            receivePending: () => drain(receiver),
            filter: () => {},
            close: () => void receivers.delete(receiver),
          };
        },
      },
      arrive(port, datagram) {
        const family = familyOf(address);
        for (const receiver of receivers) {
          if (receiver.options.port !== port || receiver.options.family !== family) continue;
          receiver.waiting.push({
            source: address,
            sourcePort: 50_000,
            destination: address,
            ttl: 255,
            ifindex: 2,
            ...datagram,
          });
        }
        if (!self.busy) self.settle();
      },
      settle() {
        for (const receiver of receivers) drain(receiver);
      },
    };
    hosts.set(address, self);
    return self;
  }

  return { host, muted };
}

export function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`Refused: ${code}`), { code });
}

function drain({ waiting, take }: Receiver): void {
  for (let next = waiting.shift(); next; next = waiting.shift()) take(next);
}
