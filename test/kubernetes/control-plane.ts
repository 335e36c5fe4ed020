import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { atExit } from '../../lab/at-exit.ts';
import type { Host } from '../../lab/host.ts';
import type { ApiClient } from './api-client.ts';
import { type ApiServer, type AuditLevel, createApiServer } from './api-server.ts';
import { type Assets, findAssets } from './assets.ts';
import { type AuditEvent, readAuditLog } from './audit-log.ts';
import { type Credentials, createCredentials } from './credentials.ts';
import { createEtcd, type Etcd } from './etcd.ts';
import { type Identity, kubeconfigText } from './kubeconfig.ts';
import { createLauncher, type Launch } from './launch.ts';

const FIRST_PORT = 6443;
/** The least that the API server grants is ten minutes. */
const TOKEN_LIFETIME_SEC = 3600;

/**
 * The admin by token, somebody by certificate (`system:node:n1` in `system:nodes`), or a service
 * account that exists.
 */
export type User =
  | 'admin'
  | { readonly name: string; readonly groups?: readonly string[] }
  | { readonly serviceAccount: { readonly namespace: string; readonly name: string } };

/** A second kube-apiserver. */
export interface OtherApiServer {
  readonly url: string;
  /** Path, of the admin. */
  readonly kubeconfig: string;
  readonly client: ApiClient;
  /** At once, for good. */
  stop(): Promise<void>;
}

/**
 * A real control plane: etcd and kube-apiserver with RBAC, both IP families and an audit log. No
 * controllers run: nobody makes EndpointSlices, Nodes or default service accounts, collects garbage, or
 * finishes the deletion of a namespace.
 */
export interface ControlPlane {
  readonly url: string;
  /** PEM. */
  readonly ca: string;
  /** The admin's bearer token: it goes through a proxy, which a client certificate does not. */
  readonly adminToken: string;
  /** Path of the admin's kubeconfig. */
  readonly kubeconfig: string;
  readonly credentials: Credentials;
  /** A folder for files of the test; goes with the control plane. */
  readonly folder: string;
  /** The admin's; `request`, `must` and `apply` are its most used methods. */
  readonly client: ApiClient;
  readonly request: ApiClient['request'];
  readonly must: ApiClient['must'];
  readonly apply: ApiClient['apply'];
  /** Runs kubectl as the admin; resolves with its stdout, rejects with what it said. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** Path of a kubeconfig; for another server (a proxy) with the same authority when `server` is set. */
  kubeconfigFor(user: User, server?: string): Promise<string>;
  /** A bearer token of a service account that exists. */
  tokenFor(namespace: string, name: string): Promise<string>;
  /** Requests so far by those whom `filter` lets through, in order; those of the servers themselves are left out. */
  audit(filter?: (event: AuditEvent) => boolean): Promise<readonly AuditEvent[]>;
  stopApiServer(how?: 'clean' | 'killed'): Promise<void>;
  /** Resolves once it is ready. */
  startApiServer(): Promise<void>;
  restartApiServer(): Promise<void>;
  killEtcd(): Promise<void>;
  /** Resolves once the API server is ready again. */
  startEtcd(): Promise<void>;
  /** Path of a copy of all data, for `restoreEtcd()`. */
  snapshotEtcd(): Promise<string>;
  /**
   * Puts all data back, as an administrator would: API server down, etcd back in time, API server up.
   * resourceVersions go back, and will be given a second time, to other objects.
   */
  restoreEtcd(snapshot: string): Promise<void>;
  /**
   * Starts another API server, on the same etcd, or on one that is as old as a snapshot and knows of
   * nothing that happened since.
   */
  secondApiServer(snapshot?: string): Promise<OtherApiServer>;
  /** Ends all of it and removes the folder. */
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Default Metadata. */
  readonly audit?: AuditLevel;
  /** Runs the API servers on a host of the lab, at one of its addresses. */
  readonly on?: { readonly host: Host; readonly address: string };
}

/** Resolves when it is ready, in two seconds or so. */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const assets = await findAssets();
  const { folder, address, port, forget } = makePlace();
  const made = { folder, assets, etcds: [] as Etcd[], servers: [] as ApiServer[] };
  const stop = async () => {
    await Promise.all([
      ...made.servers.map((server) => server.remove()),
      ...made.etcds.map((etcd) => etcd.stop('killed')),
    ]);
    rmSync(folder, { recursive: true, force: true });
    forget();
  };
  try {
    const plane = await assemble(made, {
      credentials: await createCredentials(folder),
      launch: createLauncher(options.on?.host),
      address: options.on?.address ?? address,
      port: options.on ? FIRST_PORT : port,
      audit: options.audit ?? 'Metadata',
      host: options.on?.host,
    });
    return { ...plane, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What one control plane has started so far. */
interface Made {
  readonly folder: string;
  readonly assets: Assets;
  readonly etcds: Etcd[];
  readonly servers: ApiServer[];
}

interface Setting {
  readonly credentials: Credentials;
  readonly launch: Launch;
  readonly address: string;
  readonly port: number;
  readonly audit: AuditLevel;
  readonly host: Host | undefined;
}

async function assemble(made: Made, setting: Setting): Promise<Omit<ControlPlane, 'stop'>> {
  const { folder, assets, servers } = made;
  const { credentials } = setting;
  const etcd = addEtcd(made);
  const server = await addServer(made, setting, etcd);
  await Promise.all([etcd.start(), server.start()]);
  const { url, client } = server;
  const { ca, adminToken } = credentials;

  let files = 0;
  const write = (identity: Identity, to: string) => {
    files += 1;
    const path = `${folder}/kubeconfig-${files}`;
    writeFileSync(path, kubeconfigText({ server: to, ca, identity }), { mode: 0o600 });
    return path;
  };
  const kubeconfig = write({ token: adminToken }, url);
  const tokenFor = async (namespace: string, name: string) => {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const spec = { expirationSeconds: TOKEN_LIFETIME_SEC };
    return (await client.must('POST', path, { spec })).status.token as string;
  };
  let snapshots = 0;
  return {
    url,
    ca,
    adminToken,
    kubeconfig,
    credentials,
    folder,
    client,
    request: client.request,
    must: client.must,
    apply: client.apply,
    kubectl: (args, stdin = '') =>
      kubectl({ program: assets.kubectl, folder, kubeconfig, host: setting.host, args, stdin }),
    kubeconfigFor: async (user, to = url) => {
      if (user === 'admin') return write({ token: adminToken }, to);
      if ('serviceAccount' in user) {
        const { namespace, name } = user.serviceAccount;
        return write({ token: await tokenFor(namespace, name) }, to);
      }
      const subject = { commonName: user.name, organizations: user.groups ?? [] };
      return write({ certificate: await credentials.authority.issue(subject) }, to);
    },
    tokenFor,
    audit: async (filter = () => true) =>
      servers
        .flatMap(({ auditLog }) => readAuditLog(auditLog))
        .filter(filter)
        .sort((a, b) => a.atMs - b.atMs),
    stopApiServer: (how = 'clean') => server.stop(how),
    startApiServer: server.start,
    restartApiServer: async () => {
      await server.stop('clean');
      await server.start();
    },
    killEtcd: () => etcd.stop('killed'),
    startEtcd: async () => {
      await etcd.start();
      await server.untilReady();
    },
    snapshotEtcd: async () => {
      snapshots += 1;
      const path = `${folder}/snapshot-${snapshots}`;
      etcd.copyData(path);
      return path;
    },
    restoreEtcd: async (snapshot) => {
      await server.stop('clean');
      await etcd.stop('killed');
      etcd.replaceData(snapshot);
      await Promise.all([etcd.start(), server.start()]);
    },
    secondApiServer: async (snapshot) => {
      const older = snapshot === undefined ? undefined : addEtcd(made);
      if (snapshot !== undefined) older?.replaceData(snapshot);
      const other = await addServer(made, setting, older ?? etcd);
      await Promise.all([older?.start(), other.start()]);
      return {
        url: other.url,
        kubeconfig: write({ token: adminToken }, other.url),
        client: other.client,
        stop: async () => {
          await Promise.all([other.remove(), older?.stop('killed')]);
        },
      };
    },
  };
}

function addEtcd({ folder, assets, etcds }: Made): Etcd {
  const own = `${folder}/etcd-${etcds.length + 1}`;
  mkdirSync(own);
  const etcd = createEtcd({ program: assets.etcd, folder: own, launch: createLauncher(undefined) });
  etcds.push(etcd);
  return etcd;
}

async function addServer(made: Made, setting: Setting, etcd: Etcd): Promise<ApiServer> {
  const { folder, assets, servers } = made;
  const own = `${folder}/api-${servers.length + 1}`;
  mkdirSync(own);
  const server = await createApiServer({
    program: assets.apiServer,
    folder: own,
    launch: setting.launch,
    address: setting.address,
    port: setting.port + servers.length,
    elsewhere: setting.host !== undefined,
    etcd: etcd.endpoint,
    credentials: setting.credentials,
    auditLevel: setting.audit,
  });
  servers.push(server);
  return server;
}

let places = 0;

/**
 * A folder and an address of the loopback that no other process has: derived from this one's id, so
 * that no port can be taken, neither before the start nor between stop and start.
 */
function makePlace() {
  removeLeftovers();
  places += 1;
  const { pid } = process;
  const folder = `${tmpdir()}/tg-${pid}-kubernetes-${places}`;
  mkdirSync(folder, { mode: 0o700 });
  const forget = atExit(() => rmSync(folder, { recursive: true, force: true }));
  // Process ids have up to 22 bits.
  const address = `127.${64 + (pid >> 16)}.${(pid >> 8) & 255}.${pid & 255}`;
  return { folder, address, port: FIRST_PORT + 10 * (places - 1), forget };
}

/** Folders of processes that were killed; their programs the kernel has ended. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^tg-(\d+)-kubernetes-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) {
      rmSync(`${tmpdir()}/${name}`, { recursive: true, force: true });
    }
  }
}

function kubectl(call: {
  readonly program: string;
  readonly folder: string;
  readonly kubeconfig: string;
  readonly host: Host | undefined;
  readonly args: readonly string[];
  readonly stdin: string;
}): Promise<string> {
  const { program, folder, kubeconfig, host, args, stdin } = call;
  const network = host ? [`--net=/run/netns/${host.netns}`] : [];
  return new Promise((resolve, reject) => {
    const child = spawn('nsenter', [...network, '--', program, ...args], {
      // It keeps what it discovers below the home.
      env: { ...process.env, KUBECONFIG: kubeconfig, HOME: folder },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(stdout);
      else reject(new Error(`kubectl ${args.join(' ')} (exit code ${code}): ${stderr || stdout}`));
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}
