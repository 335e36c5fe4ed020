import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { type Address, parseAddress } from '../../domain/address.ts';
import { type Prefix, parsePrefix } from '../../domain/prefix.ts';
import { ErrorBody, FlowList } from '../api.ts';
import { ApiError } from '../api-error.ts';
import { encodeFlow } from '../encode.ts';
import { FLOW_STATES, type FlowFilter, type ForwardingView } from '../view.ts';

/** Flows in one answer. */
const FLOWS_MAX = 10_000;
/** Requests for flows at one time; each reads the whole table. */
const FLOW_READERS_MAX = 2;

const AddressText = Type.String({ maxLength: 45, description: 'IPv4 or IPv6 address' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

const FlowQuery = Type.Object(
  {
    vip: Type.Optional(AddressText),
    vipPort: Type.Optional(Port),
    client: Type.Optional(Type.String({ maxLength: 49, description: 'Address or prefix' })),
    backend: Type.Optional(AddressText),
    backendPort: Type.Optional(Port),
    protocol: Type.Optional(Type.Enum(['TCP', 'UDP'])),
    state: Type.Optional(Type.Enum([...FLOW_STATES])),
    idleMoreThan: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })),
    limit: Type.Integer({
      minimum: 0,
      maximum: FLOWS_MAX,
      default: 100,
      description: '0 counts only',
    }),
  },
  { additionalProperties: false },
);
type FlowQuery = Type.Static<typeof FlowQuery>;

/** `/v1/flows`: the flow table. */
export function flowRoute(app: FastifyInstance, forwarding: () => ForwardingView): void {
  let readers = 0;
  app.get<{ Querystring: FlowQuery }>(
    '/v1/flows',
    {
      schema: {
        summary: 'Flows in the table now, in no order',
        querystring: FlowQuery,
        response: { 200: FlowList, 400: ErrorBody, 404: ErrorBody, 503: ErrorBody },
      },
    },
    async (request) => {
      const view = forwarding();
      const filter = filterOf(request.query);
      if (readers >= FLOW_READERS_MAX) {
        const message = `${FLOW_READERS_MAX} other requests read the flow table`;
        throw new ApiError(503, 'busy', message, 'Ask again in a moment');
      }
      readers += 1;
      try {
        const { flows, truncated, counts } = await view.flows(filter, request.query.limit);
        return { items: flows.map(encodeFlow), truncated, counts: { ...counts } };
      } finally {
        readers -= 1;
      }
    },
  );
}

function filterOf(query: FlowQuery): FlowFilter {
  const { vip, vipPort, client, backend, backendPort, protocol, state, idleMoreThan } = query;
  return {
    ...(vip !== undefined && { vip: addressOf('vip', vip) }),
    ...(vipPort !== undefined && { vipPort }),
    ...(client !== undefined && { client: prefixOf('client', client) }),
    ...(backend !== undefined && { backend: addressOf('backend', backend) }),
    ...(backendPort !== undefined && { backendPort }),
    ...(protocol && { protocol }),
    ...(state && { state }),
    ...(idleMoreThan !== undefined && { idleMoreThanSec: idleMoreThan }),
  };
}

function addressOf(name: string, text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new ApiError(
    400,
    'bad_request',
    `Query "${name}" is "${text}", which is not an IP address`,
    'Write an IPv4 or IPv6 address without port or prefix length',
  );
}

/** A prefix, or an address as the prefix of itself. */
export function prefixOf(name: string, text: string): Prefix {
  const whole = text.includes('/') ? text : `${text}/${text.includes(':') ? 128 : 32}`;
  const prefix = parsePrefix(whole);
  if (prefix !== undefined) return prefix;
  throw new ApiError(
    400,
    'bad_request',
    `Query "${name}" is "${text}", which is neither an IP address nor a prefix`,
    'Write an IPv4 or IPv6 address, alone or with a prefix length',
  );
}
