/** ICMP errors about packets of a `natWorld`'s flow, as routers send them and as they arrive. */
import {
  type Family,
  FROM_BACKEND,
  type NatWorld,
  quoteOf,
  TO_BACKEND,
  TO_CLIENT,
} from './nat-world.ts';
import { type IcmpFields, icmp } from './packet.ts';

export type IcmpError = Pick<IcmpFields, 'type' | 'code' | 'info'>;
export const ICMP_ERRORS: Readonly<Record<Family, ReadonlyArray<readonly [string, IcmpError]>>> = {
  IPv4: [
    ['host unreachable', { type: 3, code: 1, info: 0 }],
    ['port unreachable', { type: 3, code: 3, info: 0 }],
    ['fragmentation needed, MTU 1400', { type: 3, code: 4, info: 1400 }],
    ['administratively prohibited', { type: 3, code: 13, info: 0 }],
    ['time exceeded', { type: 11, code: 0, info: 0 }],
    ['reassembly time exceeded', { type: 11, code: 1, info: 0 }],
    ['parameter problem at byte 20', { type: 12, code: 0, info: 20 << 24 }],
  ],
  IPv6: [
    ['address unreachable', { type: 1, code: 3, info: 0 }],
    ['port unreachable', { type: 1, code: 4, info: 0 }],
    ['packet too big, MTU 1400', { type: 2, code: 0, info: 1400 }],
    ['hop limit exceeded', { type: 3, code: 0, info: 0 }],
    ['unknown next header', { type: 4, code: 1, info: 6 }],
  ],
};

/** One that a router on the client's side sends about an answer, and as the backend gets it. */
export function aboutAnswer(world: NatWorld, error: IcmpError, quoted?: number) {
  const packet = { seq: 5001, ack: 1001, payload: 'data' };
  return {
    sent: (fields: Partial<IcmpFields> = {}) =>
      icmp({
        from: world.outerRouter,
        to: world.vip,
        payload: quoteOf(world.returned(packet), quoted),
        ...error,
        ...fields,
      }),
    got: (fields: Partial<IcmpFields> = {}) =>
      icmp({
        from: world.nat,
        to: world.backend,
        payload: quoteOf(world.answer({ ...packet, ttl: 63 }), quoted),
        ttl: 63,
        ...TO_BACKEND,
        ...error,
        ...fields,
      }),
  };
}

/** One that a router on the backend's side sends about a request, and as the client gets it. */
export function aboutRequest(world: NatWorld, error: IcmpError, quoted?: number) {
  const packet = { seq: 1001, ack: 5001, payload: 'data' };
  return {
    sent: (fields: Partial<IcmpFields> = {}) =>
      icmp({
        from: world.innerRouter,
        to: world.nat,
        payload: quoteOf(world.forwarded(packet), quoted),
        ...FROM_BACKEND,
        ...error,
        ...fields,
      }),
    got: (fields: Partial<IcmpFields> = {}) =>
      icmp({
        from: world.vip,
        to: world.client,
        payload: quoteOf(world.request({ ...packet, ttl: 63 }), quoted),
        ttl: 63,
        ...TO_CLIENT,
        ...error,
        ...fields,
      }),
  };
}

/** Some error of the family. */
export function anyError(family: Family): IcmpError {
  return family === 'IPv4' ? { type: 3, code: 1, info: 0 } : { type: 1, code: 3, info: 0 };
}
