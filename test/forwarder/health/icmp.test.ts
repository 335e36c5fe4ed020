import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { createIcmpProber } from '../../../src/forwarder/health/icmp.ts';
import { realClock } from '../../../src/system/real-clock.ts';
import { recordingLog } from '../../support/recording-log.ts';
import { checkOf, outcomeOf } from './support.ts';

const SCRIPT = fileURLToPath(new URL('namespace-probes.ts', import.meta.url));

test('the ICMP prober matches a thousand answers over IPv4 and IPv6 to their checks', async (t) => {
  const prober = createIcmpProber({ clock: realClock, log: recordingLog() });
  try {
    const outcomes = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => {
        const address = i % 4 === 0 ? '::1' : `127.0.${i >> 8}.${1 + (i & 127)}`;
        return outcomeOf(prober.probe, checkOf(address, 0, { kind: 'icmp' }));
      }),
    );
    t.is(outcomes.filter((outcome) => 'pass' in outcome && outcome.pass).length, 1_000);
  } finally {
    prober.close();
  }
});

test('probes over roads that fail say how, and a checker sees backends go and come', async (t) => {
  const { stdout } = await promisify(execFile)('unshare', ['--net', process.execPath, SCRIPT], {
    timeout: 30_000,
  });
  const failed = (reason: string) => ({ pass: false, reason });
  const silent = { stoppedAt: '' };
  const passed = { pass: true };
  t.deepEqual(JSON.parse(stdout), {
    tcpBlackhole: silent,
    tcpBlackhole6: silent,
    tcpUnreachable: failed('no route to host'),
    tcpProhibited: failed('not permitted by this box'),
    tcpNoRoute: failed('network unreachable'),
    httpBlackhole: silent,
    icmp: passed,
    icmp6: passed,
    icmpBlackhole: silent,
    icmpBlackhole6: silent,
    icmpNoRoute: failed('network unreachable'),
    icmpNoNeighbour: failed('no route to host'),
    down: {
      icmp: 'timed out after 60 ms',
      icmp6: 'timed out after 60 ms',
      tcp: 'timed out after 60 ms',
    },
  });
});
