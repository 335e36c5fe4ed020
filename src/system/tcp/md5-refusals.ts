import { readFileSync } from 'node:fs';

/** A service that sees its own processes alone (`ProcSubset=pid`) has no /proc/net. */
const NETSTAT = '/proc/self/net/netstat';
/** Columns of `TcpExt`: without the signature that was wanted, with one that was not, with a wrong one. */
const COLUMNS = ['TCPMD5NotFound', 'TCPMD5Unexpected', 'TCPMD5Failure'];

/**
 * Segments that the kernel dropped for their TCP MD5 signature, of all connections of this network
 * namespace since it exists. The kernel does not tell whose they were.
 */
export function readMd5Refusals(file = NETSTAT): number {
  const [names = [], values = []] = readFileSync(file, 'latin1')
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '));
  return COLUMNS.reduce((sum, name) => sum + Number(values[names.indexOf(name)] ?? 0), 0);
}
