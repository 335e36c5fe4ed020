import { readFile } from 'node:fs/promises';
import { askRole } from '../ask-role.ts';
import { reachBox } from '../box.ts';
import { type Call, type Command, UsageError } from '../command.ts';
import { ASKING, CONFIG, refuseWords, tellJson } from '../common.ts';
import { EXIT } from '../exit-code.ts';
import { capture, captureQueryOf } from './capture.ts';
import { flowQueryOf, readFlows, renderFlowCounts, renderFlows } from './flows.ts';
import { readTop, showTop, topOptionsOf } from './top.ts';
import { packetOf, readTrace, renderTrace, type TraceQuestion, traceExitCode } from './trace.ts';

/** Looking inside the forwarder of this box. */

const trace: Command = {
  name: 'trace',
  summary: 'say what would become of a packet now, and why; changes nothing',
  words: '',
  options: {
    from: { type: 'string', value: 'ADDRESS[:PORT]', help: 'where it comes from' },
    to: { type: 'string', value: 'ADDRESS:PORT', help: 'where it goes' },
    tcp: { type: 'boolean', help: 'TCP (without one of these three)' },
    udp: { type: 'boolean', help: 'UDP' },
    icmp: { type: 'boolean', help: 'an ICMP echo request' },
    flags: { type: 'string', value: 'FLAGS', help: 'TCP flags out of FSRPAUEW (default S)' },
    in: { type: 'string', value: 'INTERFACE', help: 'where it comes in (default: the first)' },
    ttl: { type: 'string', value: 'N', help: 'TTL or hop limit (default 64)' },
    size: { type: 'string', value: 'BYTES', help: 'of the IP packet (default: headers alone)' },
    pcap: { type: 'string', value: 'FILE', help: 'packets of a pcap or pcapng file instead' },
    hex: { type: 'boolean', help: 'show the bytes too' },
    ...ASKING,
  },
  details:
    'Packets of a file see what those before them would change; nothing else does.\n' +
    'Ends with 0 when forwarded, 4 when dropped, 5 when passed to the kernel, and 6 when Tidegate\n' +
    'answers by itself (a reset, an ICMP message, a SYN cookie).',
  execute: async (call) => {
    refuseWords(call);
    const question = await questionOf(call);
    return askRole(
      call,
      'forwarder',
      (runDir, instances) => readTrace(runDir, instances, question),
      (answer) => {
        if (call.flag('json')) tellJson(call, answer);
        else call.io.out(renderTrace(call.io, answer, call.flag('hex')));
        return traceExitCode(answer);
      },
    );
  },
};

async function questionOf(call: Call): Promise<TraceQuestion> {
  const path = call.text('pcap');
  if (path === undefined) return { packet: packetOf(call) };
  const mixed = ['from', 'to', 'flags', 'ttl', 'size'].find((name) => call.text(name));
  if (mixed) throw new UsageError(`--${mixed} is for a made-up packet, not for --pcap`);
  return { file: await readFile(path), interface: call.text('in') };
}

const captureCommand: Command = {
  name: 'capture',
  summary: "write a VIP's packets to a file, as they come and as they leave",
  words: '',
  options: {
    vip: { type: 'string', value: 'ADDRESS[:PORT]', help: 'of which VIP; without port: all of it' },
    client: { type: 'string', value: 'PREFIX', help: 'only with these clients' },
    sample: { type: 'string', value: '1/N', help: 'one connection of N, whole' },
    count: { type: 'string', value: 'N', help: 'stop after so many packets (default 1000)' },
    seconds: { type: 'string', value: 'N', help: 'stop after so long (default 30, at most 3600)' },
    snap: { type: 'string', value: 'BYTES', help: 'so much of each packet (default 2048)' },
    write: {
      type: 'string',
      short: 'w',
      value: 'FILE',
      help: 'pcapng file; - for standard output',
    },
    config: CONFIG,
    'run-dir': ASKING['run-dir'],
  },
  details:
    'tcpdump and Wireshark read the file: tidegate capture --vip 192.0.2.10 -w - | tcpdump -nr -\n' +
    'What this command is too slow for is lost and counted; forwarding is not held up.',
  execute: async (call) => {
    refuseWords(call);
    const query = captureQueryOf(call);
    const box = await reachBox(call);
    if (!box) return EXIT.unreachable;
    return capture(call, box.runDir, box.instances, query);
  },
};

const top: Command = {
  name: 'top',
  summary: 'show which ports of VIPs are busiest, and what is dropped, as it happens',
  words: '',
  options: {
    interval: { type: 'string', value: 'TIME', help: 'between two pictures (default 1s)' },
    once: { type: 'boolean', help: 'one picture, then end' },
    sort: { type: 'string', value: 'BY', help: 'packets (default), bytes, flows or drops' },
    ...ASKING,
    json: { type: 'boolean', help: 'a line of JSON for each picture, with all ports' },
  },
  details: 'Packets and bytes are those of both directions. Ctrl-C ends it.',
  execute: async (call) => {
    refuseWords(call);
    const options = topOptionsOf(call);
    return askRole(call, 'forwarder', readTop, async (first, instance, runDir) => {
      const again = async () => {
        const [answer] = await readTop(runDir, [instance]);
        if (answer?.ok) return answer.value;
        call.io.err(`${instance} ${answer?.failure.message}\n`);
        return undefined;
      };
      await showTop(call, first, again, options);
      return EXIT.ok;
    });
  },
};

const flows: Command = {
  name: 'flows',
  summary: 'list flows that are in the table now',
  words: '',
  options: {
    vip: { type: 'string', value: 'ADDRESS[:PORT]', help: 'only flows to this address' },
    client: { type: 'string', value: 'PREFIX', help: 'only flows of these clients' },
    backend: { type: 'string', value: 'ADDRESS[:PORT]', help: 'only flows with this backend' },
    proto: { type: 'string', value: 'PROTOCOL', help: 'only tcp or udp' },
    state: {
      type: 'string',
      value: 'STATE',
      help: 'only half-open, established, closing, time-wait, udp, udp-stream',
    },
    'idle-more-than': { type: 'string', value: 'TIME', help: 'seconds, or 5m, or 2h' },
    count: { type: 'boolean', help: 'only say how many there are, by state' },
    limit: { type: 'string', value: 'N', help: 'at most so many (default 100, at most 10000)' },
    ...ASKING,
  },
  details: '',
  execute: async (call) => {
    refuseWords(call);
    const query = flowQueryOf(call);
    return askRole(
      call,
      'forwarder',
      (runDir, instances) => readFlows(runDir, instances, query),
      (answer) => {
        if (call.flag('json')) tellJson(call, answer);
        else if (call.flag('count')) call.io.out(renderFlowCounts(call.io, answer));
        else call.io.out(renderFlows(call.io, answer));
        return EXIT.ok;
      },
    );
  },
};

export const INSPECT_COMMANDS: readonly Command[] = [trace, captureCommand, top, flows];
