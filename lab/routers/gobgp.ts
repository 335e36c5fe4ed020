import { mkdirSync, writeFileSync } from 'node:fs';
import type { Host } from '../host.ts';
import type { Lab } from '../lab.ts';
import { gobgpConfig } from './gobgp-config.ts';
import { gobgpRoutes, gobgpSessions } from './gobgp-output.ts';
import { familyOf, type Router, type RouterOptions } from './router.ts';

/** Starts GoBGP on a host, and waits until it answers. It installs no routes. */
export async function startGobgp(lab: Lab, host: Host, options: RouterOptions): Promise<Router> {
  const directory = `${lab.directory}/gobgp-${host.name}`;
  const config = `${directory}/gobgp.json`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(config, gobgpConfig(options));
  const program = host.start(['gobgpd', '-t', 'json', '-f', config, '--pprof-disable']);
  const ask = async (command: string) => {
    const words = command.split(' ');
    const { code, stdout, stderr } = await host.finish(['gobgp', ...words]);
    if (code !== 0) throw new Error(`gobgp ${command}: ${stdout}${stderr}`);
    return stdout;
  };
  const announce = async (prefixes: readonly string[] = []) => {
    for (const prefix of prefixes) await ask(`global rib add ${prefix} ${placeOf(prefix, host)}`);
  };
  await program.prints(/Finished reading the config file/);
  if (options.neighbours.length > 0)
    await program.prints(
      new RegExp(`(Add a peer configuration[^]*){${options.neighbours.length}}`),
    );
  await announce(options.announce);
  let reads = 1;
  return {
    kind: 'gobgp',
    host,
    pid: () => program.pid,
    ask,
    async routes() {
      const tables = ['ipv4', 'ipv6'].map((family) => ask(`global rib -j -a ${family}`));
      return (await Promise.all(tables)).flatMap(gobgpRoutes);
    },
    sessions: async () => gobgpSessions(await ask('neighbor -j'), program.output()),
    bfdSessions: async () => [],
    async configure(next) {
      writeFileSync(config, gobgpConfig(next));
      process.kill(program.pid, 'SIGHUP');
      reads += 1;
      await program.prints(new RegExp(`(Finished reading the config file[^]*){${reads}}`));
      await announce(next.announce);
    },
    refresh: () => Promise.reject(new Error('GoBGP keeps what it was told, and never asks again')),
    pause: () => void process.kill(program.pid, 'SIGSTOP'),
    resume: () => void process.kill(program.pid, 'SIGCONT'),
    stop: async () => void (await program.stop()),
    kill: async () => void (await program.stop('SIGKILL')),
    log: program.output,
  };
}

/**
 * Family and next hop of a prefix of its own: GoBGP puts the address of the session into IPv6 routes,
 * also when that is IPv4.
 */
function placeOf(prefix: string, host: Host): string {
  if (familyOf(prefix) === 'ipv4') return '-a ipv4';
  const shown = host.run(['ip', '-j', '-6', 'addr', 'show', 'scope', 'global']);
  const links = JSON.parse(shown) as readonly { addr_info?: readonly { local: string }[] }[];
  const own = links.flatMap(({ addr_info = [] }) => addr_info).at(0)?.local;
  return own === undefined ? '-a ipv6' : `-a ipv6 nexthop ${own}`;
}
