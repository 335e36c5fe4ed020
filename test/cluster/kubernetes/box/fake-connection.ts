import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import type { ApiRequest } from '../../../../src/cluster/kubernetes/transport/api-request.ts';
import type { ApiConnection } from '../../../../src/cluster/kubernetes/transport/connection.ts';

/** A server as the test says: what is asked is kept, what is answered comes from a function. */
export interface FakeConnection extends Pick<ApiConnection, 'request'> {
  /** `METHOD last/parts/of/path`, in order. */
  readonly asked: string[];
  readonly requests: ApiRequest[];
  /** The default answers with an empty object. */
  answer: (request: ApiRequest) => unknown;
}

export function fakeConnection(): FakeConnection {
  const fake: FakeConnection = {
    asked: [],
    requests: [],
    answer: () => ({}),
    async request(request) {
      fake.requests.push(request);
      fake.asked.push(`${request.method} ${request.path.split('/').slice(6).join('/')}`);
      return fake.answer(request);
    },
  };
  return fake;
}

/** As the server refuses: `refuse(404)`, `refuse(429, 'TooManyRequests', 5000)`. */
export function refuse(status: number, reason = '', retryAfterMs?: number): never {
  throw new ApiError(`Refused: ${status} ${reason}`, { status, reason, retryAfterMs });
}

/** Lets everything run that waits for answers. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}
