import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { readMd5Refusals } from '../../../src/system/tcp/md5-refusals.ts';

test('readMd5Refusals() sums the three columns, wherever they stand', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-netstat-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'netstat');
  const names = 'TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected Other TCPMD5Failure';
  writeFileSync(file, `${names}\nTcpExt: 7 1 20 9 300\nIpExt: A\nIpExt: 5\n`);
  t.is(readMd5Refusals(file), 321);
  // A kernel without TCP MD5 has no such columns.
  writeFileSync(file, 'TcpExt: SyncookiesSent\nTcpExt: 7\n');
  t.is(readMd5Refusals(file), 0);
});
