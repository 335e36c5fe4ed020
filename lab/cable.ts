import { fileURLToPath } from 'node:url';
import { run } from './command.ts';
import type { Host } from './host.ts';

/** Interface indexes are given out once a process, so that no two ends of a lab have the same. */
let lastIndex = 100;

const PASS_PROGRAM = fileURLToPath(new URL('../native/build/pass.bpf.o', import.meta.url));

/** One end of a cable. */
export interface CableEnd {
  readonly host: Host;
  /** Interface name on that host. */
  readonly name: string;
  /** `address/length`, both families. */
  readonly addresses?: readonly string[];
  /** True where an XDP program sends from this interface (`XDP_TX` or by redirect). */
  readonly xdp?: boolean;
}

/**
 * Connects two hosts by a veth pair that behaves like a wire: transmit offloads are off, so that
 * frames carry finished checksums and fit the MTU (an XDP program forwards bytes, not offload
 * marks). Opposite an end that sends by XDP an `XDP_PASS` program is attached: without one, veth
 * loses such frames silently.
 *
 * The two indexes must differ: for a veth whose peer has its own index, Linux takes up to a second
 * to declare the link usable for IPv6.
 */
export function connect(left: CableEnd, right: CableEnd): void {
  run('ip', ['link', 'add', ...identity(left), 'type', 'veth', 'peer', ...identity(right)]);
  for (const end of [left, right]) {
    end.host.ip(
      ...(end.addresses ?? []).map(
        (address) => `addr add ${address} dev ${end.name}${nodad(address)}`,
      ),
      `link set ${end.name} up`,
    );
    end.host.run(['ethtool', '-K', end.name, 'tx', 'off']);
  }
  if (left.xdp) attachPass(right);
  if (right.xdp) attachPass(left);
}

function identity(end: CableEnd): string[] {
  lastIndex += 1;
  return ['name', end.name, 'index', String(lastIndex), 'netns', end.host.netns];
}

function nodad(address: string): string {
  return address.includes(':') ? ' nodad' : '';
}

function attachPass(end: CableEnd): void {
  end.host.ip(`link set dev ${end.name} xdpdrv obj ${PASS_PROGRAM} sec xdp.frags`);
}
