import type { Address } from '../../domain/address.ts';
import { KeyedMap } from '../../domain/keyed-map.ts';
import type { Mac } from '../../domain/mac.ts';
import type { Link } from '../../protocol/rtnetlink/link.ts';
import { Reconciler } from '../../reconcile/reconciler.ts';
import { chooseLinks } from './choose-links.ts';
import { openPort, type Port, type PortOptions, type PortStatus } from './port.ts';

/** All interfaces that announce. Those that come, go or change their MAC are followed. */
export interface Ports {
  /** States the box's interfaces as they are now. */
  follow(links: readonly Link[]): void;
  /**
   * Announces the VIP on every interface, or on those named and on no others; now and on those to
   * come. Throws when one of them failed.
   */
  announce(vip: Address, only?: readonly string[]): void;
  withdraw(vip: Address): void;
  /** Whether there is an interface now that a VIP may be announced on. */
  canAnnounce(only?: readonly string[]): boolean;
  /** Names of the interfaces on which the VIP is announced, sorted. */
  announcing(vip: Address): readonly string[];
  status(): readonly PortStatus[];
  /** Interfaces that do not work as they should, with the error. */
  failures(): readonly Failure[];
  close(): Promise<void>;
}

export interface PortsOptions extends Omit<PortOptions, 'name' | 'ifindex' | 'mac' | 'isOwnMac'> {
  /** As in the settings. */
  readonly patterns: readonly string[];
  /** Called after interfaces were opened or closed. */
  readonly onChange: () => void;
}

/** Something wanted that could not be done at the last try. */
export interface Failure {
  /** Interface name, or address. */
  readonly object: string;
  readonly error: string;
}

/** What makes a port: another value is another port, which announces everything anew. */
interface PortIdentity {
  readonly name: string;
  readonly ifindex: number;
  readonly mac: Mac;
}

interface OpenPort {
  readonly identity: PortIdentity;
  readonly port: Port;
}

export function openPorts(options: PortsOptions): Ports {
  const { clock, log } = options;
  const ports = new Map<string, OpenPort>();
  /** With the interfaces each may be announced on; `undefined`: all. */
  const vips = new Map<Address, readonly string[] | undefined>();
  let ownMacs: ReadonlySet<Mac> = new Set();
  let desired = KeyedMap.empty<PortIdentity>();

  const reconciler = new Reconciler<PortIdentity>({
    name: 'interfaces',
    target: { list: () => [], update, remove },
    clock,
    log,
    onPass: options.onChange,
  });

  function update(name: string, identity: PortIdentity) {
    const known = ports.get(name);
    if (known?.identity !== identity) {
      remove(name);
      const isOwnMac = (mac: Mac) => ownMacs.has(mac);
      ports.set(name, { identity, port: openPort({ ...options, ...identity, isOwnMac }) });
      log.info('Announcing on an interface', { interface: name });
    }
    forEachWithoutGivingUp(vips, ([vip, only]) => {
      if (!only || only.includes(name)) ports.get(name)?.port.announce(vip);
    });
  }

  function remove(name: string) {
    const known = ports.get(name);
    if (!known) return;
    ports.delete(name);
    known.port.close();
    log.info('No longer announcing on an interface', { interface: name });
  }

  return {
    follow(links) {
      ownMacs = new Set(links.flatMap(({ mac }) => (mac === undefined ? [] : [mac])));
      const chosen = chooseLinks(links, options.patterns);
      const identities = new Map(
        chosen.map(({ name, ifindex, mac }) => [name, { name, ifindex, mac: mac as Mac }]),
      );
      const gone = [...desired.keys()].filter((name) => !identities.has(name));
      desired = desired.withAll([
        ...gone.map((name) => [name, undefined] as const),
        ...[...identities].filter(([name, identity]) => !same(desired.get(name), identity)),
      ]);
      reconciler.want(desired, 0);
    },
    announce(vip, only) {
      vips.set(vip, only);
      forEachWithoutGivingUp(ports, ([name, { port }]) =>
        !only || only.includes(name) ? port.announce(vip) : port.withdraw(vip),
      );
    },
    withdraw(vip) {
      vips.delete(vip);
      forEachWithoutGivingUp(ports.values(), ({ port }) => port.withdraw(vip));
    },
    canAnnounce: (only) => (only ? only.some((name) => ports.has(name)) : ports.size > 0),
    announcing: (vip) =>
      [...ports].flatMap(([name, { port }]) => (port.announces(vip) ? [name] : [])).sort(),
    status: () => [...ports.values()].map(({ port }) => port.status()),
    failures: () => failuresOf(reconciler),
    async close() {
      await reconciler.stop();
      for (const { port } of ports.values()) port.close();
      ports.clear();
    },
  };
}

function same(a: PortIdentity | undefined, b: PortIdentity): boolean {
  return a?.name === b.name && a.ifindex === b.ifindex && a.mac === b.mac;
}

export function failuresOf(reconciler: Pick<Reconciler<unknown>, 'failed'>): Failure[] {
  return reconciler
    .failed()
    .flatMap(({ key, state }) =>
      state.state === 'failed' ? [{ object: key, error: state.error }] : [],
    );
}

/** Does it for all, and then throws what the first failure threw. */
function forEachWithoutGivingUp<T>(items: Iterable<T>, run: (item: T) => void): void {
  const errors: unknown[] = [];
  for (const item of items) {
    try {
      run(item);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
