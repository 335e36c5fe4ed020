import type { Host } from '../host.ts';
import type { Lab } from '../lab.ts';
import { startBird } from './bird.ts';
import { startFrr } from './frr.ts';
import { startGobgp } from './gobgp.ts';
import type { Router, RouterKind, RouterOptions } from './router.ts';

export const ROUTER_KINDS: readonly RouterKind[] = ['bird', 'frr', 'gobgp'];

const START = { bird: startBird, frr: startFrr, gobgp: startGobgp };

/** Starts a program of this kind on a host, and waits until it answers. */
export function startRouter(
  kind: RouterKind,
  lab: Lab,
  host: Host,
  options: RouterOptions,
): Promise<Router> {
  return START[kind](lab, host, options);
}
