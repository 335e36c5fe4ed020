import { Agent, request as send } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAllDocuments } from 'yaml';

const FIELD_MANAGER = 'test';
const ESTABLISHED_WAIT_MS = 10_000;
const POLL_MS = 20;

export interface ApiAnswer {
  readonly status: number;
  /** Parsed when it is JSON, else the text. */
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it has just written
  readonly body: any;
}

/** A manifest, or an object that the server sent. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}

/** Speaks to an API server over connections that stay open. It does not use what it tests. */
export interface ApiClient {
  /** One request; resolves with whatever was answered. `body` is sent as JSON unless it is text. */
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<ApiAnswer>;
  /** Like `request()`, but resolves with the body, and rejects when the answer is not a success. */
  must(
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ): Promise<ApiAnswer['body']>;
  /**
   * Server-side apply of manifests, one after the other: text (several documents of YAML), or one
   * object. Resolves with what the server made of them; a CustomResourceDefinition is ready for use.
   */
  apply(manifests: string | object): Promise<readonly ApiAnswer['body'][]>;
  /** Server-side apply of the status of an object that exists. */
  applyStatus(manifest: object): Promise<ApiAnswer['body']>;
  /** Path of an object, `/api/v1/namespaces/default/services/web`. */
  pathOf(manifest: Manifest): Promise<string>;
  close(): void;
}

export interface ApiClientOptions {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  readonly token: string;
  /** A Unix socket that leads there, when the server is in another network namespace. */
  readonly socketPath?: string | undefined;
}

export function createApiClient(options: ApiClientOptions): ApiClient {
  const agent = new Agent({ keepAlive: true, ca: options.ca });
  const request: ApiClient['request'] = (method, path, body, contentType = 'application/json') =>
    exchange(agent, options, { method, path, body, contentType });
  const must: ApiClient['must'] = async (method, path, body, contentType) => {
    for (let waitedMs = 0; ; waitedMs += POLL_MS) {
      const answer = await request(method, path, body, contentType);
      if (answer.status < 300) return answer.body;
      const said = String(answer.body?.message ?? answer.body);
      // So it answers for a moment after a definition came or was changed.
      const isStarting = answer.status === 429 && said.includes('(re)initializing');
      if (!isStarting || waitedMs > ESTABLISHED_WAIT_MS) {
        throw new Error(`${method} ${path}: ${answer.status} ${said}`);
      }
      await sleep(POLL_MS);
    }
  };
  const pathOf = createPathFinder(must);
  const applyTo = async (manifest: Manifest, suffix: string) => {
    const path = `${await pathOf(manifest)}${suffix}?fieldManager=${FIELD_MANAGER}&force=true`;
    return must('PATCH', path, manifest, 'application/apply-patch+yaml');
  };
  return {
    request,
    must,
    apply: async (manifests) => {
      const results: unknown[] = [];
      for (const manifest of readManifests(manifests)) {
        results.push(await applyTo(manifest, ''));
        if (manifest.kind === 'CustomResourceDefinition') await untilServed(must, manifest);
      }
      return results;
    },
    applyStatus: (manifest) => applyTo(manifest as Manifest, '/status'),
    pathOf,
    close: () => agent.destroy(),
  };
}

function exchange(
  agent: Agent,
  { url, token, socketPath }: ApiClientOptions,
  what: {
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
    readonly contentType: string;
  },
): Promise<ApiAnswer> {
  const { hostname, port } = new URL(url);
  const { method, path, body, contentType } = what;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const sent = send({
      agent,
      ...(socketPath === undefined ? { hostname, port } : { socketPath }),
      method,
      path,
      headers: {
        authorization: `Bearer ${token}`,
        ...(text === undefined ? {} : { 'content-type': contentType }),
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('error', reject);
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        resolve({ status, body: parse(Buffer.concat(chunks).toString()) });
      });
    });
    sent.end(text);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function readManifests(manifests: string | object): readonly Manifest[] {
  if (typeof manifests !== 'string') return [manifests as Manifest];
  return parseAllDocuments(manifests).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw error;
    return (document.toJS() as Manifest | null) ?? [];
  });
}

interface Resource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Kinds to paths, by the server's own discovery; asked again when a kind is new. */
function createPathFinder(must: ApiClient['must']): ApiClient['pathOf'] {
  const known = new Map<string, readonly Resource[]>();
  const find = async (apiVersion: string, kind: string, fresh: boolean) => {
    const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
    if (fresh || !known.has(apiVersion)) known.set(apiVersion, (await must('GET', root)).resources);
    const found = known.get(apiVersion)?.find((it) => it.kind === kind && !it.name.includes('/'));
    return found && { ...found, root };
  };
  return async ({ apiVersion, kind, metadata }) => {
    const found = (await find(apiVersion, kind, false)) ?? (await find(apiVersion, kind, true));
    if (!found) throw new Error(`The API server knows no ${kind} of ${apiVersion}`);
    const { root, namespaced, name } = found;
    const scope = namespaced ? `/namespaces/${metadata.namespace ?? 'default'}` : '';
    return `${root}${scope}/${name}/${metadata.name}`;
  };
}

/** A definition's path appears some time after the definition. */
async function untilServed(must: ApiClient['must'], { metadata }: Manifest): Promise<void> {
  const path = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`;
  const deadline = performance.now() + ESTABLISHED_WAIT_MS;
  for (;;) {
    const { spec, status } = await must('GET', path);
    const conditions: readonly { type: string; status: string }[] = status?.conditions ?? [];
    const version = spec.versions.find((it: { served: boolean }) => it.served).name;
    if (
      conditions.some((it) => it.type === 'Established' && it.status === 'True') &&
      (await isServed(must, `/apis/${spec.group}/${version}`, spec.names.plural))
    ) {
      return;
    }
    if (performance.now() > deadline) {
      throw new Error(`${metadata.name} was not served: ${JSON.stringify(conditions)}`);
    }
    await sleep(POLL_MS);
  }
}

async function isServed(must: ApiClient['must'], root: string, plural: string): Promise<boolean> {
  try {
    const { resources } = await must('GET', root);
    return resources.some((it: Resource) => it.name === plural);
  } catch {
    return false;
  }
}
