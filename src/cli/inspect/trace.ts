import type { Trace, TracedPacket, TraceRequest } from '../../admin/api-inspect.ts';
import { type Answer, postAll } from '../admin-client.ts';
import { type Call, UsageError } from '../command.ts';
import { EXIT } from '../exit-code.ts';
import { plural } from '../format.ts';
import { type Io, paint } from '../io.ts';
import { endpointOf, numberOf } from '../option-values.ts';
import { dropText } from '../reasons.ts';
import { stepText } from './trace-text.ts';

/** What a trace is asked for: a packet in words, or a file of packets. */
export type TraceQuestion =
  | { readonly packet: TraceRequest }
  | { readonly file: Uint8Array; readonly interface: string | undefined };

/** Reads `--from`, `--to` and the rest. Throws `UsageError`. */
export function packetOf(call: Call): TraceRequest {
  const source = endpointOf(call, 'from');
  const destination = endpointOf(call, 'to');
  const protocol = protocolOf(call);
  if (protocol !== 'ICMP' && destination.port === undefined) {
    throw new UsageError(`--to needs a port for ${protocol}: ADDRESS:PORT`);
  }
  const port = call.text('in');
  return {
    source: source.address,
    destination: destination.address,
    protocol,
    flags: (call.text('flags') ?? 'S').toUpperCase(),
    sourcePort: source.port ?? 50_000,
    destinationPort: destination.port ?? 0,
    ttl: numberOf(call, 'ttl', 255) ?? 64,
    ...sizeOf(call),
    ...(port !== undefined && { interface: port }),
  };
}

/** Asks every process; those without a forwarder refuse, which is no failure. */
export function readTrace(
  runDir: string,
  instances: readonly string[],
  question: TraceQuestion,
): Promise<Answer<Trace>[]> {
  if ('packet' in question) {
    const body = Buffer.from(JSON.stringify(question.packet));
    return postAll<Trace>(runDir, instances, '/v1/trace', 'application/json', body);
  }
  const query = question.interface ? `?interface=${encodeURIComponent(question.interface)}` : '';
  const path = `/v1/trace/capture${query}`;
  return postAll<Trace>(runDir, instances, path, 'application/octet-stream', question.file);
}

/** The worst that happened to a packet. */
export function traceExitCode({ items }: Trace): number {
  const outcomes = new Set(items.map(({ outcome }) => outcome));
  if (outcomes.has('dropped')) return EXIT.dropped;
  if (outcomes.has('answered')) return EXIT.answered;
  return outcomes.has('passed') ? EXIT.passed : EXIT.ok;
}

export function renderTrace(
  io: Io,
  { items, interface: port, omitted }: Trace,
  hex: boolean,
): string {
  const parts = items.map((item, index) => {
    const title = items.length > 1 ? `Packet ${index + 1}, in by ${port}` : `In by ${port}`;
    return renderPacket(io, title, item, hex);
  });
  const more = omitted > 0 ? [`… and ${plural(omitted, 'packet')} more in the file\n`] : [];
  return [...parts, ...more].join('\n');
}

function renderPacket(io: Io, title: string, packet: TracedPacket, hex: boolean): string {
  const { before, after, steps } = packet;
  const said = steps.map(stepText).filter((text) => text !== '');
  return [
    `${paint(io, 'bold', title)}: ${before.line}`,
    ...(hex ? hexLines(before.hex) : []),
    ...said.map((text) => `  ${text}`),
    verdictLine(io, packet),
    ...(after ? [`${paint(io, 'bold', 'Out')}: ${after.line}`] : []),
    ...(after && hex ? hexLines(after.hex) : []),
    '',
  ].join('\n');
}

function verdictLine(io: Io, { outcome, reason = '' }: TracedPacket): string {
  if (outcome === 'forwarded') return paint(io, 'good', 'Forwarded');
  if (outcome === 'passed') return paint(io, 'warn', 'Passed to the kernel: not for Tidegate');
  const why = dropText(reason) ? `${reason}, ${dropText(reason)}` : reason;
  if (outcome === 'dropped') return paint(io, 'bad', `Dropped: ${why}`);
  return paint(io, 'warn', reason ? `Answered, not forwarded: ${why}` : 'Answered');
}

/** 16 bytes a line with their offset, as hexdump writes them. */
function hexLines(hex: string): string[] {
  const lines: string[] = [];
  for (let at = 0; at < hex.length; at += 32) {
    const bytes = hex.slice(at, at + 32).replace(/(....)(?=.)/g, '$1 ');
    lines.push(`  ${(at / 2).toString(16).padStart(4, '0')}  ${bytes}`);
  }
  return lines;
}

function protocolOf(call: Call): TraceRequest['protocol'] {
  const given = (['TCP', 'UDP', 'ICMP'] as const).filter((name) => call.flag(name.toLowerCase()));
  const [protocol = 'TCP'] = given;
  if (given.length > 1) throw new UsageError('Give one of --tcp, --udp and --icmp');
  return protocol;
}

function sizeOf(call: Call): { readonly size?: number } {
  const size = numberOf(call, 'size', 9000);
  return size === undefined ? {} : { size };
}
