import { readFileSync } from 'node:fs';

interface PortRange {
  readonly first: number;
  readonly last: number;
}

const PORT_RANGE = 'net.ipv4.ip_local_port_range';
const RESERVED_PORTS = 'net.ipv4.ip_local_reserved_ports';

/** Reads a setting of the kernel, in the current network namespace. */
export type ReadSysctl = (name: string) => string;

const readSysctl: ReadSysctl = (name) =>
  readFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8');

/**
 * NAT ports must be ours alone: an answer to one of them would be taken for a backend's, though the
 * box itself had opened a connection from it. Throws when the box's own ports may fall among them.
 */
export function checkNatPorts(natPorts: PortRange, read: ReadSysctl = readSysctl): void {
  const [first = 0, last = 0] = read(PORT_RANGE).trim().split(/\s+/).map(Number);
  const from = Math.max(first, natPorts.first);
  const to = Math.min(last, natPorts.last);
  if (from > to || isReserved({ first: from, last: to }, parseReserved(read(RESERVED_PORTS))))
    return;
  const ours = `${natPorts.first}-${natPorts.last}`;
  throw Object.assign(
    new Error(
      `forwarder.natPorts ${ours} overlap the box's own ports ${first}-${last} (${PORT_RANGE}); ` +
        `choose others, or reserve them: sysctl -w ${RESERVED_PORTS}=${ours}`,
    ),
    { code: 'EADDRINUSE' },
  );
}

/** Reads `8080,9000-9010`. */
function parseReserved(text: string): PortRange[] {
  const parts = text.trim().split(',').filter(Boolean);
  const ranges = parts.map((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return { first, last };
  });
  return ranges.sort((a, b) => a.first - b.first);
}

function isReserved(range: PortRange, reserved: readonly PortRange[]): boolean {
  let next = range.first;
  for (const { first, last } of reserved) {
    if (first <= next && last >= next) next = last + 1;
  }
  return next > range.last;
}
