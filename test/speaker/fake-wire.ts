import type { Address } from '../../src/domain/address.ts';
import type { Mac } from '../../src/domain/mac.ts';
import type { LinkWire } from '../../src/speaker/link-wire.ts';
import type { PacketMessage } from '../../src/system/sockets.ts';

/** A wire for tests: frames sent are kept, frames to receive are put in, sockets can be made to fail. */
export interface FakeWire extends LinkWire {
  readonly sent: Uint8Array[];
  /** Delivers to the sockets of this type on this interface. */
  receive(ifindex: number, etherType: number, bytes: Uint8Array): void;
  /** `ifindex etherType` of packet sockets that are open. */
  open(): string[];
  /** Groups joined by IPv6 address, and by MAC. */
  readonly groups: Set<Address>;
  readonly macs: Set<Mac>;
  /** Group sockets ever opened. */
  groupSockets(): number;
  /** Code that the next calls of this kind fail with. */
  fail(what: 'open' | 'send' | 'join', code: string | undefined): void;
}

export function fakeWire(): FakeWire {
  const sent: Uint8Array[] = [];
  const listeners = new Map<string, (message: PacketMessage) => void>();
  const groups = new Set<Address>();
  const macs = new Set<Mac>();
  const failing = new Map<string, string>();
  let groupSockets = 0;

  function check(what: 'open' | 'send' | 'join') {
    const code = failing.get(what);
    if (code) throw Object.assign(new Error(`Cannot ${what}: ${code}`), { code });
  }

  return {
    sent,
    groups,
    macs,
    groupSockets: () => groupSockets,
    open: () => [...listeners.keys()],
    fail: (what, code) => void (code ? failing.set(what, code) : failing.delete(what)),
    receive(ifindex, etherType, bytes) {
      listeners.get(`${ifindex} ${etherType}`)?.({
        bytes,
        ifindex,
        packetType: 0,
        vlan: undefined,
      });
    },
    openPacketSocket({ ifindex, etherType }, onMessage) {
      check('open');
      const key = `${ifindex} ${etherType}`;
      listeners.set(key, onMessage);
      return {
        send(frame) {
          check('send');
          sent.push(frame);
        },
        joinMulticast: (mac) => void macs.add(mac),
        leaveMulticast: (mac) => void macs.delete(mac),
        close: () => void listeners.delete(key),
      };
    },
    openGroupSocket() {
      groupSockets += 1;
      const own = new Set<Address>();
      return {
        join(group) {
          check('join');
          own.add(group);
          groups.add(group);
        },
        leave(group) {
          own.delete(group);
          groups.delete(group);
        },
        close() {
          for (const group of own) groups.delete(group);
        },
      };
    },
  };
}
