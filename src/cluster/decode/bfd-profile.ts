import type { BfdProfile } from '../../domain/bgp/bfd-profile.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  flag,
  integer,
  type Locate,
  section,
  warn,
} from './field.ts';
import { readMeta } from './meta.ts';

/** What MetalLB takes, and FRR's values where a profile is silent. */
const INTERVAL_MIN_MS = 10;
const INTERVAL_MAX_MS = 60_000;
const INTERVAL_MS = 300;
const MULTIPLIER_MIN = 2;
const MULTIPLIER_MAX = 255;
const MULTIPLIER = 3;
const TTL_MAX = 254;

/** Reads a metallb.io/v1beta1 BFDProfile; refuses what MetalLB's admission refuses. */
export function decodeBfdProfile(value: unknown, locate?: Locate): Decoded<BfdProfile> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'BFDProfile', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    // It has no use here, and MetalLB refuses a bad one.
    readInterval(child(spec, 'echoInterval'));
    return {
      ...meta,
      receiveIntervalMs: readInterval(child(spec, 'receiveInterval')),
      transmitIntervalMs: readInterval(child(spec, 'transmitInterval')),
      detectMultiplier: integer(
        child(spec, 'detectMultiplier'),
        MULTIPLIER_MIN,
        MULTIPLIER_MAX,
        MULTIPLIER,
      ),
      echoMode: readEchoMode(child(spec, 'echoMode')),
      passive: flag(child(spec, 'passiveMode'), false),
      minimumTtl: integer(child(spec, 'minimumTtl'), 1, TTL_MAX, TTL_MAX),
    };
  });
}

function readInterval(field: Field): number {
  return integer(field, INTERVAL_MIN_MS, INTERVAL_MAX_MS, INTERVAL_MS);
}

function readEchoMode(field: Field): boolean {
  const wanted = flag(field, false);
  if (wanted)
    warn(
      field,
      'Echo mode is not done here',
      'Remove it; transmitInterval sets how fast it detects',
    );
  return wanted;
}
