/** Runs on a host of the lab, and prints what the kernel there answered. */
import { execFileSync } from 'node:child_process';
import { type Address, formatAddress } from '../../src/domain/address.ts';
import { formatMac } from '../../src/domain/mac.ts';
import { formatPrefix } from '../../src/domain/prefix.ts';
import { type NetworkEvent, openRtnetlink, type Rtnetlink } from '../../src/system/rtnetlink.ts';
import { address } from '../support/objects.ts';

const alive = setInterval(() => undefined, 1000);
const events: NetworkEvent[] = [];
const kernel = openRtnetlink((event) => events.push(event));
const links = await kernel.links();
const ifindex = links.find(({ name }) => name === 'eth0')?.ifindex ?? 0;

console.log(
  JSON.stringify({
    links: links.map(({ name }) => name),
    addresses: (await kernel.addresses()).map((each) => formatAddress(each.address)),
    gateway: await gatewayTo('10.2.3.4'),
    unreachable: await gatewayTo('10.5.0.1'),
    none: await gatewayTo('10.99.0.1'),
    many: await askMany(10_000),
    resolved: await Promise.all(['10.1.0.2', '2001:db8:1::2'].map(resolveNeighbour)),
    noInterface: await kernel.useNeighbour(999, address('10.1.0.2')).catch(({ code }) => code),
    events: await watchChanges(),
  }),
);
kernel.close();
clearInterval(alive);

async function gatewayTo(text: string): Promise<string> {
  const answer = await kernel.routeTo(address(text));
  if (answer.kind === 'none') return answer.code;
  return answer.route.gateway === undefined ? '' : formatAddress(answer.route.gateway);
}

async function askMany(count: number): Promise<number> {
  const ask = (i: number) => kernel.routeTo(address(`10.2.${i >> 8}.${i & 255}`));
  const answers = await Promise.all(Array.from({ length: count }, (_, i) => ask(i)));
  return answers.filter((each: Awaited<ReturnType<Rtnetlink['routeTo']>>, i) => {
    return (
      each.kind === 'route' && each.route.destination.base === address(`10.2.${i >> 8}.${i & 255}`)
    );
  }).length;
}

async function resolveNeighbour(text: string): Promise<string> {
  const wanted: Address = address(text);
  await kernel.useNeighbour(ifindex, wanted);
  const told = await waitFor((event) =>
    event.kind === 'neighbour' &&
    event.neighbour.address === wanted &&
    event.neighbour.mac !== undefined
      ? event.neighbour.mac
      : undefined,
  );
  return `${text} ${formatMac(told)}`;
}

async function watchChanges(): Promise<string[]> {
  const from = events.length;
  const ip = (...args: string[]) => execFileSync('ip', args);
  ip('addr', 'add', '10.3.0.1/32', 'dev', 'eth0');
  ip('route', 'add', '10.4.0.0/16', 'via', '10.1.0.2');
  ip('route', 'del', '10.4.0.0/16');
  ip('addr', 'del', '10.3.0.1/32', 'dev', 'eth0');
  await waitFor((event) =>
    event.kind === 'address' && event.removed ? formatAddress(event.address.address) : undefined,
  );
  return events.slice(from).flatMap(describe);
}

function describe(event: NetworkEvent): string[] {
  if (event.kind === 'address') {
    return [
      `address ${formatAddress(event.address.address)} ${event.removed ? 'removed' : 'added'}`,
    ];
  }
  if (event.kind !== 'route' || event.route.kind !== 'unicast') return [];
  return [`route ${formatPrefix(event.route.destination)} ${event.removed ? 'removed' : 'added'}`];
}

async function waitFor<T>(found: (event: NetworkEvent) => T | undefined): Promise<T> {
  for (let tries = 0; tries < 500; tries++) {
    for (const event of events) {
      const value = found(event);
      if (value !== undefined) return value;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('No such event');
}
