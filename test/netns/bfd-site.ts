import type { ExecutionContext } from 'ava';
import type { Host } from '../../lab/host.ts';
import { createLab, type Lab } from '../../lab/lab.ts';

/** Two hosts whose path is watched. */
export interface BfdSite {
  readonly lab: Lab;
  readonly ours: Host;
  readonly theirs: Host;
}

/** On a cable from `o0` to `t0`, addresses ending in 1 and 2: 192.0.2.0/24, 2001:db8::/64, fe80::/64. */
export function neighbours(t: ExecutionContext): BfdSite {
  const lab = createLab();
  t.teardown(lab.remove);
  const ours = lab.host('ours');
  const theirs = lab.host('theirs');
  lab.cable(
    { host: ours, name: 'o0', addresses: ['192.0.2.1/24', '2001:db8::1/64', 'fe80::1/64'] },
    { host: theirs, name: 't0', addresses: ['192.0.2.2/24', '2001:db8::2/64', 'fe80::2/64'] },
  );
  return { lab, ours, theirs };
}

/** A router between them: 192.0.2.1 and 2001:db8:1::1 here, 198.51.100.2 and 2001:db8:2::2 there. */
export function routerBetween(t: ExecutionContext): BfdSite {
  const lab = createLab();
  t.teardown(lab.remove);
  const ours = lab.host('ours');
  const theirs = lab.host('theirs');
  const router = lab.host('router', 'forwards');
  lab.cable(
    { host: ours, name: 'o0', addresses: ['192.0.2.1/24', '2001:db8:1::1/64'] },
    { host: router, name: 'a0', addresses: ['192.0.2.254/24', '2001:db8:1::ff/64'] },
  );
  lab.cable(
    { host: theirs, name: 't0', addresses: ['198.51.100.2/24', '2001:db8:2::2/64'] },
    { host: router, name: 'b0', addresses: ['198.51.100.254/24', '2001:db8:2::ff/64'] },
  );
  ours.ip('route add default via 192.0.2.254', 'route add ::/0 via 2001:db8:1::ff');
  theirs.ip('route add default via 198.51.100.254', 'route add ::/0 via 2001:db8:2::ff');
  return { lab, ours, theirs };
}
