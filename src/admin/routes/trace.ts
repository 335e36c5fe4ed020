import type { FastifyInstance } from 'fastify';
import type Type from 'typebox';
import { type Address, familyOf, parseAddress } from '../../domain/address.ts';
import type { Mac } from '../../domain/mac.ts';
import { describeFrame } from '../../protocol/describe-frame.ts';
import { readCapture } from '../../protocol/pcap/read-capture.ts';
import { probeFrame, probeSizeMin } from '../../protocol/probe-frame.ts';
import { ErrorBody } from '../api.ts';
import { ApiError } from '../api-error.ts';
import { Trace, TraceQuery, TraceRequest } from '../api-inspect.ts';
import type { InspectView, TracedPacket } from '../inspect-view.ts';

const FILE_MAX_BYTES = 4 * 1_048_576;
/** Who a made-up packet comes from: no interface has it (locally administered). */
const PROBE_MAC = 0x0200_0000_0001 as Mac;
const ERRORS = { 400: ErrorBody, 404: ErrorBody, 409: ErrorBody };

/** `POST /v1/trace` and `/v1/trace/capture`: run packets through the program, changing nothing. */
export function traceRoutes(app: FastifyInstance, inspect: () => InspectView): void {
  app.addContentTypeParser(
    'application/octet-stream',
    { parseAs: 'buffer', bodyLimit: FILE_MAX_BYTES },
    (_request, body, done) => done(null, body),
  );
  app.post<{ Body: TraceRequest }>(
    '/v1/trace',
    {
      schema: {
        summary: 'What would become of a made-up packet now; nothing is changed or sent',
        body: TraceRequest,
        response: { 200: Trace, ...ERRORS },
      },
    },
    ({ body }) => {
      const probe = probeOf(body);
      return answer(inspect(), body.interface, (portMac) => [
        probeFrame({ ...probe, sourceMac: PROBE_MAC, destinationMac: portMac }),
      ]);
    },
  );
  app.post<{ Body: Buffer; Querystring: Type.Static<typeof TraceQuery> }>(
    '/v1/trace/capture',
    {
      schema: {
        summary: 'What would become of the packets of a pcap or pcapng file, one after another',
        consumes: ['application/octet-stream'],
        querystring: TraceQuery,
        response: { 200: Trace, ...ERRORS },
      },
    },
    ({ body, query }) => {
      const { frames, refusal } = readCapture(body);
      if (refusal !== undefined) {
        throw new ApiError(400, 'bad_request', refusal, 'Capture with "tcpdump -i eth0 -w FILE"');
      }
      return answer(inspect(), query.interface, () => frames);
    },
  );
}

async function answer(
  inspect: InspectView,
  port: string | undefined,
  frames: (portMac: Mac) => readonly Uint8Array[],
): Promise<Trace> {
  const traced = await inspect.trace(port, frames);
  if (traced.refusal !== undefined) {
    throw new ApiError(409, 'no_port', traced.refusal, 'See forwarder.interfaces in the settings');
  }
  const { packets, omitted } = traced;
  return { interface: traced.port, items: packets.map(encodeTraced), omitted };
}

function probeOf(request: TraceRequest) {
  const { protocol, flags, ttl } = request;
  const source = addressOf('source', request.source);
  const destination = addressOf('destination', request.destination);
  const family = familyOf(destination);
  if (familyOf(source) !== family) {
    throw mistake('source and destination are of different families', 'Write two of one family');
  }
  const least = probeSizeMin(family, protocol);
  const size = request.size ?? least;
  if (size < least) {
    throw mistake(
      `size is ${size}, below the headers' ${least} bytes`,
      'Leave it out, or ask more',
    );
  }
  const isIcmp = protocol === 'ICMP';
  return {
    source,
    destination,
    protocol,
    sourcePort: isIcmp ? 0 : request.sourcePort,
    destinationPort: isIcmp ? 0 : request.destinationPort,
    tcpFlags: flags,
    ttl,
    size,
  };
}

function addressOf(name: string, text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw mistake(
    `${name} is "${text}", which is not an IP address`,
    'Write an IPv4 or IPv6 address',
  );
}

function mistake(message: string, remedy: string): ApiError {
  return new ApiError(400, 'bad_request', message, remedy);
}

function encodeTraced({ outcome, reason, steps, before, after }: TracedPacket): Trace['items'][0] {
  return {
    outcome,
    ...(reason !== '' && { reason: reason.replace(/^drop_/, '') }),
    steps: steps.map(({ name, facts }) => ({ name, facts: { ...facts } })),
    before: encodeFrame(before),
    ...((outcome === 'forwarded' || outcome === 'answered') && { after: encodeFrame(after) }),
  };
}

function encodeFrame(frame: Uint8Array): Trace['items'][0]['before'] {
  return { line: describeFrame(frame), hex: Buffer.from(frame).toString('hex') };
}
