import type { RouterBfdSession, RouterRoute, RouterSession } from './router.ts';

/**
 * Paths in `show route all`: a line a path (the prefix only before its first), then its attributes. BIRD
 * marks only long-lived stale ones; others are stale while their neighbour, one of `restarting`, is away.
 */
export function birdRoutes(
  text: string,
  neighbours: ReadonlyMap<string, string>,
  restarting: ReadonlySet<string>,
): RouterRoute[] {
  const paths: { prefix: string; head: string; lines: string[] }[] = [];
  for (const line of text.split('\n')) {
    const head = /^(\S+\/\d+)?\s+(?:unicast|blackhole|unreachable) (\[.*)$/.exec(line);
    const prefix = head?.[1] ?? paths.at(-1)?.prefix ?? '';
    if (head) paths.push({ prefix, head: head[2] as string, lines: [] });
    else paths.at(-1)?.lines.push(line.trim());
  }
  const byName = new Map([...neighbours].map(([address, name]) => [name, address]));
  return paths
    .filter(({ lines }) => lines.some((line) => line.startsWith('Type: BGP')))
    .map(({ prefix, head, lines }) => {
      const name = /^\[(\S+)/.exec(head)?.[1] ?? '';
      const from = byName.get(name) ?? name;
      const stale = restarting.has(from) || /\(\d+s/.test(head);
      return { prefix, from, stale, ...attributes(lines) };
    });
}

function attributes(lines: readonly string[]): Omit<RouterRoute, 'prefix' | 'from' | 'stale'> {
  const values = new Map(
    lines.flatMap((line) => {
      const match = /^BGP\.(\w+): ?(.*)$/.exec(line);
      return match ? [[match[1] as string, match[2] as string] as const] : [];
    }),
  );
  const number = (name: string) => {
    const value = values.get(name);
    return value === undefined ? undefined : Number(value);
  };
  const tuples = (name: string) =>
    [...(values.get(name) ?? '').matchAll(/\(([^)]*)\)/g)].map(([, tuple]) =>
      (tuple as string).replaceAll(/,\s*/g, ':'),
    );
  return {
    nextHops: (values.get('next_hop') ?? '').split(' ').filter(Boolean),
    asPath: (values.get('as_path') ?? '').split(' ').filter(Boolean).map(Number),
    origin: (values.get('origin') ?? '').replace('Incomplete', 'incomplete'),
    med: number('med'),
    localPref: number('local_pref'),
    communities: tuples('community'),
    largeCommunities: tuples('large_community'),
    extendedCommunities: tuples('ext_community').map((each) => each.replace(/^ro:/, 'soo:')),
  };
}

/** Sessions in `show protocols all`, which is in blocks. */
export function birdSessions(
  text: string,
  neighbours: ReadonlyMap<string, string>,
): RouterSession[] {
  const blocks = text.split(/\n(?=\S)/);
  return [...neighbours].flatMap(([neighbour, name]) => {
    const block = blocks.find((each) => each.startsWith(`${name} `));
    if (block === undefined) return [];
    const state = /BGP state:\s+(\S+)/.exec(block)?.[1] ?? 'down';
    const lastError = /Last error:\s+(.*)/.exec(block)?.[1] ?? '';
    return [{ neighbour, established: state === 'Established', state, lastError, text: block }];
  });
}

/** Neighbours that went away, and are waited for with their routes kept (RFC 4724). */
export function birdRestarting(sessions: readonly RouterSession[]): ReadonlySet<string> {
  const away = sessions.filter(({ text }) => text.includes('Neighbor graceful restart active'));
  return new Set(away.map(({ neighbour }) => neighbour));
}

/** Lines of `show bfd sessions`. */
export function birdBfdSessions(text: string): RouterBfdSession[] {
  return [...text.matchAll(/^(\S+)\s+\S+\s+(Up|Down|Init|AdminDown)\s.*$/gm)].map(
    ([line, neighbour, state]) => {
      return { neighbour: neighbour as string, up: state === 'Up', text: line };
    },
  );
}
