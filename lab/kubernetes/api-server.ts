import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { LabProcess } from '../process.ts';
import { type ApiClient, createApiClient } from './api-client.ts';
import type { Credentials } from './credentials.ts';
import { end, type Launch, lastWords } from './launch.ts';

const START_LIMIT_MS = 60_000;
const GRACE_MS = 10_000;
const POLL_MS = 25;
const ANSWER_LIMIT_MS = 1000;
const RELAY = fileURLToPath(new URL('../relay.ts', import.meta.url));

/**
 * How much the audit log keeps of each request: its head, or its body and the answer, too (for few
 * requests).
 */
export type AuditLevel = 'Metadata' | 'RequestResponse';

/** A kube-apiserver; started by `start()`. */
export interface ApiServer {
  readonly url: string;
  /** Of the admin. */
  readonly client: ApiClient;
  /** A file with a JSON object a line. */
  readonly auditLog: string;
  /** Resolves once it says that it is ready. */
  start(): Promise<void>;
  untilReady(): Promise<void>;
  stop(how: 'clean' | 'killed'): Promise<void>;
  /** Stops everything at once, for good. */
  remove(): Promise<void>;
}

export interface ApiServerOptions {
  readonly program: string;
  /** Of its own. */
  readonly folder: string;
  readonly launch: Launch;
  readonly address: string;
  readonly port: number;
  /** Whether only a relay leads to the address, as it is on a host of the lab. */
  readonly elsewhere: boolean;
  readonly etcd: string;
  readonly credentials: Credentials;
  readonly auditLevel: AuditLevel;
}

export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { address, port, folder, launch, credentials, elsewhere } = options;
  const url = `https://${address}:${port}`;
  const socketPath = elsewhere ? `${folder}/relay` : undefined;
  const { ca, adminToken: token } = credentials;
  const client = createApiClient({ url, ca, token, socketPath });
  const command = await commandLine(options);
  let running: LabProcess | undefined;
  let relay: LabProcess | undefined;

  const untilReady = async () => {
    const deadline = performance.now() + START_LIMIT_MS;
    while (!(await isReady(client))) {
      if (!running) throw new Error(`${url} does not run`);
      const ended = await Promise.race([running.exited, sleep(POLL_MS)]);
      if (ended !== undefined || performance.now() > deadline) {
        throw new Error(`${url} did not become ready; kube-apiserver said:\n${lastWords(running)}`);
      }
    }
  };
  const stop = async (how: 'clean' | 'killed') => {
    if (!running) return;
    await (how === 'clean' ? end(running, GRACE_MS) : running.stop('SIGKILL'));
    running = undefined;
  };
  return {
    url,
    client,
    auditLog: auditLogOf(folder),
    untilReady,
    start: async () => {
      if (socketPath !== undefined) {
        const program = [process.execPath, RELAY, socketPath, `${address}:${port}`];
        relay ??= launch(program, `${folder}/relay.log`);
      }
      running = launch(command, `${folder}/kube-apiserver.log`);
      await untilReady();
    },
    stop,
    remove: async () => {
      client.close();
      await Promise.all([stop('killed'), relay?.stop('SIGKILL')]);
    },
  };
}

function auditLogOf(folder: string): string {
  return `${folder}/audit.log`;
}

/** Ready in its own eyes, which see an etcd that is gone only later, and able to read from etcd. */
async function isReady(client: ApiClient): Promise<boolean> {
  for (const path of ['/readyz', '/api/v1/namespaces/kube-system']) {
    try {
      const answer = await Promise.race([client.request('GET', path), sleep(ANSWER_LIMIT_MS)]);
      if (answer?.status !== 200) return false;
    } catch {
      return false;
    }
  }
  return true;
}

async function commandLine(options: ApiServerOptions): Promise<readonly string[]> {
  const { program, folder, address, port, etcd, credentials, auditLevel } = options;
  const { authority, signingKey, tokens } = credentials;
  const hosts = [address, '127.0.0.1', 'localhost', 'kubernetes.default.svc'];
  const server = await authority.issue({ commonName: 'kube-apiserver', hosts });
  const auditPolicy = `${folder}/audit-policy.json`;
  writeFileSync(auditPolicy, JSON.stringify(describeAudit(auditLevel)));
  return [
    program,
    `--etcd-servers=${etcd}`,
    `--bind-address=${address}`,
    `--advertise-address=${address}`,
    `--secure-port=${port}`,
    // The Service "kubernetes" gets no endpoints: those may not be on the loopback.
    '--endpoint-reconciler-type=none',
    `--tls-cert-file=${server.certificate}`,
    `--tls-private-key-file=${server.key}`,
    `--cert-dir=${folder}`,
    `--client-ca-file=${authority.certificate}`,
    `--token-auth-file=${tokens}`,
    '--authorization-mode=Node,RBAC',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${signingKey}`,
    `--service-account-signing-key-file=${signingKey}`,
    '--service-cluster-ip-range=10.96.0.0/12,fd00:10:96::/112',
    '--allow-privileged=true',
    // Both wait for controllers that do not run here, to make service accounts and to remove taints.
    '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
    `--audit-policy-file=${auditPolicy}`,
    `--audit-log-path=${auditLogOf(folder)}`,
    // Written before the client has its answer, and never cut in two.
    '--audit-log-mode=blocking-strict',
    '--audit-log-maxsize=100000',
  ];
}

function describeAudit(level: AuditLevel): object {
  return {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [
      { level: 'None', nonResourceURLs: ['/readyz', '/livez', '/healthz'] },
      { level: 'None', users: ['system:apiserver'] },
      { level },
    ],
  };
}
