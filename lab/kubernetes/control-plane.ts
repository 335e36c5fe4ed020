import { mkdirSync } from 'node:fs';
import type { Host } from '../host.ts';
import type { ApiClient } from './api-client.ts';
import { type ApiServer, type AuditLevel, createApiServer } from './api-server.ts';
import { type Assets, findAssets } from './assets.ts';
import { type AuditEvent, readAuditLog } from './audit-log.ts';
import { type Credentials, createCredentials } from './credentials.ts';
import { createEtcd, type Etcd } from './etcd.ts';
import { runKubectl } from './kubectl.ts';
import { createLauncher } from './launch.ts';
import { createLogins, type Logins } from './logins.ts';
import { makePlace } from './place.ts';

/** The usual one, on a host of its own. */
const API_PORT = 6443;

/** A second kube-apiserver. */
export interface OtherApiServer {
  readonly url: string;
  /** Path, of the admin. */
  readonly kubeconfig: string;
  readonly client: ApiClient;
  /** At once, for good. */
  stop(): Promise<void>;
}

/** What can happen to the servers of a control plane. */
export interface Accidents {
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
   * Puts all data back, as an administrator would: API server down, etcd back in time, API server
   * up. resourceVersions go back, and will be given a second time, to other objects.
   */
  restoreEtcd(snapshot: string): Promise<void>;
}

/**
 * A real control plane: etcd and kube-apiserver with RBAC, both IP families and an audit log. No
 * controllers run: nobody makes EndpointSlices, Nodes or default service accounts, collects garbage, or
 * finishes the deletion of a namespace.
 */
export interface ControlPlane extends Logins, Accidents {
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
  /** Requests so far that `filter` lets through, in order; without those of the servers themselves. */
  audit(filter?: (event: AuditEvent) => boolean): Promise<readonly AuditEvent[]>;
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
  const place = makePlace();
  const parts: Parts = { etcds: [], servers: [] };
  const stop = async () => {
    await Promise.all([
      ...parts.servers.map((server) => server.remove()),
      ...parts.etcds.map((etcd) => etcd.stop('killed')),
    ]);
    place.remove();
  };
  try {
    const { host, address } = options.on ?? { address: place.address };
    const setting: Setting = {
      assets,
      folder: place.folder,
      host,
      address,
      firstPort: host ? API_PORT : place.firstPort,
      audit: options.audit ?? 'Metadata',
      credentials: await createCredentials(place.folder),
    };
    return { ...(await assemble(parts, setting)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What one control plane has started so far. */
interface Parts {
  readonly etcds: Etcd[];
  readonly servers: ApiServer[];
}

interface Setting {
  readonly assets: Assets;
  readonly folder: string;
  readonly host: Host | undefined;
  readonly address: string;
  readonly firstPort: number;
  readonly audit: AuditLevel;
  readonly credentials: Credentials;
}

async function assemble(parts: Parts, setting: Setting): Promise<Omit<ControlPlane, 'stop'>> {
  const { assets, folder, host, credentials } = setting;
  const etcd = addEtcd(parts, setting);
  const server = await addServer(parts, setting, etcd);
  await Promise.all([etcd.start(), server.start()]);
  const { url, client } = server;
  const logins = createLogins({ folder, url, credentials, client });
  const kubeconfig = await logins.kubeconfigFor('admin');
  return {
    url,
    ca: credentials.ca,
    adminToken: credentials.adminToken,
    kubeconfig,
    credentials,
    folder,
    client,
    request: client.request,
    must: client.must,
    apply: client.apply,
    kubectl: (args, stdin = '') =>
      runKubectl({ program: assets.kubectl, home: folder, kubeconfig, host, args, stdin }),
    ...logins,
    audit: async (filter = () => true) =>
      parts.servers
        .flatMap(({ auditLog }) => readAuditLog(auditLog))
        .filter(filter)
        .sort((a, b) => a.atMs - b.atMs),
    ...createAccidents(etcd, server, folder),
    secondApiServer: (snapshot) => startSecond(parts, setting, logins, snapshot),
  };
}

/** What happens to servers. */
function createAccidents(etcd: Etcd, server: ApiServer, folder: string): Accidents {
  let snapshots = 0;
  return {
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
  };
}

async function startSecond(
  parts: Parts,
  setting: Setting,
  logins: Logins,
  snapshot: string | undefined,
): Promise<OtherApiServer> {
  const [first] = parts.etcds;
  const older = snapshot === undefined ? undefined : addEtcd(parts, setting);
  if (snapshot !== undefined) older?.replaceData(snapshot);
  const server = await addServer(parts, setting, older ?? (first as Etcd));
  await Promise.all([older?.start(), server.start()]);
  return {
    url: server.url,
    kubeconfig: await logins.kubeconfigFor('admin', server.url),
    client: server.client,
    stop: async () => {
      await Promise.all([server.remove(), older?.stop('killed')]);
    },
  };
}

function addEtcd({ etcds }: Parts, { folder, assets }: Setting): Etcd {
  const own = `${folder}/etcd-${etcds.length + 1}`;
  mkdirSync(own);
  // Never on the host: a socket in a folder is reached from every network.
  const etcd = createEtcd({ program: assets.etcd, folder: own, launch: createLauncher(undefined) });
  etcds.push(etcd);
  return etcd;
}

async function addServer({ servers }: Parts, setting: Setting, etcd: Etcd): Promise<ApiServer> {
  const { folder, assets, host, address, firstPort, credentials, audit } = setting;
  const own = `${folder}/api-${servers.length + 1}`;
  mkdirSync(own);
  const server = await createApiServer({
    program: assets.apiServer,
    folder: own,
    launch: createLauncher(host),
    address,
    port: firstPort + servers.length,
    elsewhere: host !== undefined,
    etcd: etcd.endpoint,
    credentials,
    auditLevel: audit,
  });
  servers.push(server);
  return server;
}
