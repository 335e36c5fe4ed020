/**
 * Runs in a network namespace of its own (`unshare --net`), builds the roads that loopback cannot
 * offer, probes along them, and prints what came out as JSON. The namespace ends with the process.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HealthCheck } from '../../../src/domain/health.ts';
import { KeyedMap } from '../../../src/domain/keyed-map.ts';
import { startHealthChecker } from '../../../src/forwarder/health/checker.ts';
import { probeHttp } from '../../../src/forwarder/health/http.ts';
import { createIcmpProber } from '../../../src/forwarder/health/icmp.ts';
import { probeTcp } from '../../../src/forwarder/health/tcp.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { checkOf, outcomeOf, until } from './support.ts';

const BLACKHOLE_MS = 200;

function ip(...lines: string[]) {
  for (const line of lines)
    execFileSync('ip', line.split(' '), { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Without ARP a cable swallows what is sent to neighbours; with it, neighbours that are not there are missed. */
function buildRoads() {
  ip(
    'link set lo up',
    'link add swallow type veth peer name throat',
    'link set swallow arp off',
    'addr add 192.0.2.1/24 dev swallow',
    'addr add 192.0.2.7/24 dev swallow',
    'addr add 2001:db8::1/64 dev swallow nodad',
    'addr add 2001:db8::7/64 dev swallow nodad',
    'link set swallow up',
    'link set throat up',
    'link add cable type veth peer name end',
    'addr add 198.51.100.1/24 dev cable',
    'link set cable up',
    'link set end up',
    'route add unreachable 203.0.113.0/28',
    'route add prohibit 203.0.113.16/28',
    'ntable change name arp_cache dev cable retrans 50',
  );
}

async function probeAll() {
  const icmp = createIcmpProber({ clock: realClock, log: recordingLog() });
  const tcp = (address: string) => outcomeOf(probeTcp, checkOf(address, 80), BLACKHOLE_MS);
  const ping = (address: string, stopMs = BLACKHOLE_MS) =>
    outcomeOf(icmp.probe, checkOf(address, 0, { kind: 'icmp' }), stopMs);
  const http = outcomeOf(probeHttp, checkOf('192.0.2.9', 80, { kind: 'http' }), BLACKHOLE_MS);
  try {
    return {
      tcpBlackhole: await tcp('192.0.2.9'),
      tcpBlackhole6: await tcp('2001:db8::9'),
      tcpUnreachable: await tcp('203.0.113.1'),
      tcpProhibited: await tcp('203.0.113.17'),
      tcpNoRoute: await tcp('233.252.0.1'),
      httpBlackhole: await http,
      icmp: await ping('192.0.2.7'),
      icmp6: await ping('2001:db8::7'),
      icmpBlackhole: await ping('192.0.2.9'),
      icmpBlackhole6: await ping('2001:db8::9'),
      icmpNoRoute: await ping('233.252.0.1'),
      icmpNoNeighbour: await ping('198.51.100.9', 4_000),
    };
  } finally {
    icmp.close();
  }
}

/** A whole checker: backends that answer, stop answering and answer again, by ICMP and by TCP. */
async function watch(folder: string) {
  const settings = { intervalMs: 100, timeoutMs: 60 };
  const checks = {
    icmp: checkOf('192.0.2.7', 0, { ...settings, kind: 'icmp' }),
    icmp6: checkOf('2001:db8::7', 0, { ...settings, kind: 'icmp' }),
    tcp: checkOf('192.0.2.7', 8080, settings),
  } as const;
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(8080);
  const checker = await startHealthChecker({
    clock: realClock,
    log: recordingLog(),
    ledger: join(folder, 'health.ledger'),
  });
  checker.want(
    KeyedMap.from(Object.values(checks).map((check: HealthCheck) => [check.id, check] as const)),
  );
  const all = (state: string) => () =>
    Object.values(checks).every(({ id }) => checker.states().get(id)?.state === state);
  const reasons = () =>
    Object.entries(checks).map(([name, { id }]) => [name, checker.states().get(id)?.reason]);
  try {
    await until(all('up'));
    ip('addr del 192.0.2.7/24 dev swallow', 'addr del 2001:db8::7/64 dev swallow');
    await until(all('down'));
    const down = Object.fromEntries(reasons());
    ip('addr add 192.0.2.7/24 dev swallow', 'addr add 2001:db8::7/64 dev swallow nodad');
    await until(all('up'));
    return down;
  } finally {
    await checker.stop();
    server.close();
  }
}

buildRoads();
const folder = await mkdtemp(join(tmpdir(), 'tidegate-health-'));
try {
  process.stdout.write(JSON.stringify({ ...(await probeAll()), down: await watch(folder) }));
} finally {
  await rm(folder, { recursive: true });
}
