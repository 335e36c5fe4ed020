import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';
import Type from 'typebox';
import { type Address, parseAddress } from '../../domain/address.ts';
import { ErrorBody } from '../api.ts';
import { ApiError } from '../api-error.ts';
import { type CaptureFile, createCaptureFile } from '../capture-file.ts';
import type { Capture, InspectView } from '../inspect-view.ts';
import { prefixOf } from './flows.ts';

/** The program's ring is emptied so often; what does not fit meanwhile is lost, and counted. */
const READ_INTERVAL_MS = 20;
const COUNT_MAX = 1_000_000;
const SECONDS_MAX = 3600;
const BYTES_MAX = 256 * 1_048_576;
/** A reader that has not taken the end of the file by then is left. */
const GRACE_MS = 10_000;
/** The program keeps no more of a packet (`TG_CAPTURE_LARGE`). */
const SNAP_MAX = 2048;

const CaptureQuery = Type.Object(
  {
    vip: Type.String({ maxLength: 45, description: 'Address of the VIP' }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 0, description: '0: all' }),
    client: Type.Optional(Type.String({ maxLength: 49, description: 'Address or prefix' })),
    sample: Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 }),
    snap: Type.Integer({ minimum: 64, maximum: SNAP_MAX, default: SNAP_MAX }),
    count: Type.Integer({ minimum: 1, maximum: COUNT_MAX, default: 1000 }),
    seconds: Type.Integer({ minimum: 1, maximum: SECONDS_MAX, default: 30 }),
  },
  { additionalProperties: false },
);
type CaptureQuery = Type.Static<typeof CaptureQuery>;

/** Of the answer: how many packets are in the file, and how many were lost. */
export const CAPTURE_TRAILER = 'x-tidegate-capture';

/** `GET /v1/capture`: a VIP's packets as they come and as they leave, as pcapng, until a limit. */
export function captureRoutes(
  app: FastifyInstance,
  inspect: () => InspectView,
  version: string,
): void {
  app.get<{ Querystring: CaptureQuery }>(
    '/v1/capture',
    {
      schema: {
        summary: 'Packets of a VIP from now on, as a pcapng file; "sample" takes whole connections',
        produces: ['application/x-pcapng'],
        querystring: CaptureQuery,
        response: {
          200: Type.Unsafe({ type: 'string', format: 'binary' }),
          400: ErrorBody,
          404: ErrorBody,
          409: ErrorBody,
        },
      },
    },
    (request, reply) => {
      const { vip, port, client, sample, snap } = request.query;
      const filter = {
        vip: addressOf(vip),
        port,
        client: client === undefined ? undefined : prefixOf('client', client),
        sample,
        snapLength: snap,
      };
      const started = start(inspect(), filter);
      const file = createCaptureFile(version, snap);
      // Between two packets the connection may be silent for longer than others may.
      reply.raw.setTimeout(request.query.seconds * 1000 + GRACE_MS, () => reply.raw.destroy());
      const end = { lost: 0 };
      leaveLate(reply, started, request.query.seconds);
      reply.trailer(CAPTURE_TRAILER, async () => `packets=${file.count}; lost=${end.lost}`);
      reply.type('application/x-pcapng');
      return reply.send(
        Readable.from(follow(started, file, request.query, end), { objectMode: false }),
      );
    },
  );
}

function start(inspect: InspectView, filter: Parameters<InspectView['capture']>[0]): Capture {
  try {
    const { capture, refusal } = inspect.capture(filter);
    if (capture) return capture;
    throw new ApiError(409, 'busy', refusal, 'One capture runs at a time');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EOPNOTSUPP') throw error;
    throw new ApiError(
      409,
      'not_supported',
      message,
      'Capture on the backend, or take a newer kernel',
    );
  }
}

/**
 * The file, as it grows. Nobody pulls while the reader is slow, so that nothing piles up here: the
 * program's ring gets full, and the packets beyond are lost.
 */
async function* follow(
  capture: Capture,
  file: CaptureFile,
  { count, seconds }: CaptureQuery,
  end: { lost: number },
): AsyncGenerator<Uint8Array> {
  const startedNs = process.hrtime.bigint();
  const lastNs = startedNs + BigInt(seconds) * 1_000_000_000n;
  try {
    yield file.begin();
    for (;;) {
      const isOver = process.hrtime.bigint() >= lastNs;
      const { packets, lost } = capture.read();
      end.lost = lost;
      const blocks = file.add(packets, count);
      if (blocks.length > 0) yield blocks;
      if (isOver || file.count >= count || file.bytes >= BYTES_MAX) break;
      await sleep(READ_INTERVAL_MS);
    }
    yield file.end(BigInt(Date.now()) * 1_000_000n, end.lost);
  } finally {
    capture.stop();
  }
}

/** Ends the capture in time also when the reader has stopped reading, and then the connection. */
function leaveLate(reply: FastifyReply, capture: Capture, seconds: number): void {
  const timer = setTimeout(
    () => {
      capture.stop();
      reply.raw.destroy();
    },
    seconds * 1000 + GRACE_MS,
  );
  reply.raw.once('close', () => {
    clearTimeout(timer);
    capture.stop();
  });
}

function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw mistake(`Query "vip" is "${text}", which is not an IP address`);
}

function mistake(message: string): ApiError {
  return new ApiError(400, 'bad_request', message, 'Write an IPv4 or IPv6 address');
}
