/**
 * A program that watches paths by BFD, for tests in namespaces. Its argument is a `SpeakerScript` as
 * JSON; it prints one line of JSON for each thing it hears of. SIGUSR1: goes on to the next of the
 * wanted sets; SIGTERM: ends with AdminDown.
 */
import { parseAddress } from '../../src/domain/address.ts';
import type { BfdProfile } from '../../src/domain/bgp/bfd-profile.ts';
import type { BfdAuthentication, BfdWanted } from '../../src/speaker/bfd/bfd.ts';
import { startBfd } from '../../src/speaker/bfd/start-bfd.ts';
import { realClock } from '../../src/system/real-clock.ts';
import { bfdProfile } from '../support/bgp-objects.ts';

export interface SpeakerScript {
  readonly wants: readonly Readonly<Record<string, ScriptedSession>>[];
  /** Keeps the main thread busy for so long at a time, with garbage to collect. */
  readonly blockMs?: number;
}

export interface ScriptedSession {
  readonly remote: string;
  readonly local?: string;
  readonly interface?: string;
  readonly multihop?: boolean;
  readonly profile?: Partial<BfdProfile>;
  readonly key?: { readonly kind: BfdAuthentication['kind']; readonly text: string };
}

/** What it prints, beside what it logs. */
export interface Heard {
  readonly atMs: number;
  readonly key: string;
  readonly state: string;
  readonly remoteState: string;
  readonly localDiagnostic: string;
  readonly remoteDiagnostic: string;
  readonly transmitIntervalMs: number;
  readonly receiveIntervalMs: number;
  readonly detectionTimeMs: number;
  readonly localAddress: string;
  readonly downEvents: number;
  readonly packetsReceived: number;
  readonly packetsDropped: number;
  readonly obstacle: string;
}

const PROFILE = bfdProfile('fast', { receiveIntervalMs: 50, transmitIntervalMs: 50 });

const script = JSON.parse(process.argv[2] ?? '') as SpeakerScript;

function say(line: Readonly<Record<string, unknown>>): void {
  const text = JSON.stringify(line, (_, value) =>
    typeof value === 'bigint' ? String(value) : value,
  );
  process.stdout.write(`${text}\n`);
}

function wanted(session: ScriptedSession): BfdWanted {
  const { remote, local, key, multihop = false, profile = {} } = session;
  return {
    remote: parseAddress(remote) ?? fail(remote),
    local: local === undefined ? undefined : (parseAddress(local) ?? fail(local)),
    interface: session.interface,
    multihop,
    profile: { ...PROFILE, ...profile },
    authentication: key && {
      kind: key.kind,
      keyId: 1,
      key: () => new TextEncoder().encode(key.text),
    },
  };
}

function fail(text: string): never {
  throw new Error(`"${text}" is no address`);
}

const log = (level: string) => (message: string, fields?: object) =>
  say({ level, message, ...fields });
const bfd = startBfd({
  clock: realClock,
  log: {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    child: () => fail('child'),
  },
});
bfd.onChange((key, session) => say({ atMs: Date.now(), key, ...session }));

let next = 0;
function goOn(): void {
  const set = script.wants[next++] ?? {};
  bfd.want(new Map(Object.entries(set).map(([key, session]) => [key, wanted(session)])));
}

goOn();
process.on('SIGUSR1', goOn);
process.on('SIGUSR2', () => {
  for (const [key, session] of bfd.sessions()) say({ atMs: Date.now(), key, ...session });
  say({ drops: bfd.drops() });
});
process.on('SIGTERM', async () => {
  await bfd.stop();
  say({ stopped: true });
  process.exit(0);
});

/** Also holds the process; the watch itself does not. */
setInterval(() => {
  if (script.blockMs === undefined) return;
  const endMs = performance.now() + script.blockMs;
  let junk: unknown[] = [];
  while (performance.now() < endMs) {
    junk.push({ many: [1, 2, 3], text: `junk ${junk.length}` });
    if (junk.length > 100_000) junk = [];
  }
}, 20);
