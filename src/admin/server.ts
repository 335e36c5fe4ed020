import { chmod, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { formatAddress } from '../domain/address.ts';
import type { RoleName } from '../domain/role.ts';
import type { AdminTcp } from '../settings/settings.ts';
import { isLoopback } from '../settings/values.ts';
import { type ApiOptions, buildApi, type Guard } from './build.ts';
import { readToken } from './token.ts';

/** Order in which roles name a process and choose its TCP port. */
const ROLE_ORDER: readonly RoleName[] = ['controller', 'speaker', 'forwarder'];
/** Least time that a live server has to take a connection. */
const PROBE_TIMEOUT_MS = 1000;

export interface AdminOptions extends Omit<ApiOptions, 'guard'> {
  readonly runDir: string;
  readonly roles: readonly RoleName[];
  readonly tcp: AdminTcp | undefined;
}

export interface AdminServer {
  readonly socketPath: string;
  /** 0 without a TCP listener. */
  readonly tcpPort: number;
  close(): Promise<void>;
}

/** The name of a process that runs these roles: `controller`, `speaker+forwarder`. */
export function instanceName(roles: readonly RoleName[]): string {
  return ROLE_ORDER.filter((role) => roles.includes(role)).join('+');
}

/** The TCP port of such a process: the configured one, plus the place of its first role. */
export function tcpPortOf(base: number, roles: readonly RoleName[]): number {
  return (
    base +
    Math.max(
      0,
      ROLE_ORDER.findIndex((role) => roles.includes(role)),
    )
  );
}

/**
 * Serves the admin API on `<runDir>/admin/<instance>.sock` and, when set, on TCP. Rejects when
 * another process answers on the socket, or a listener would be open to others without a token.
 */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const socketPath = join(options.runDir, 'admin', `${instanceName(options.roles)}.sock`);
  const open: FastifyInstance[] = [];
  try {
    open.push(await listenOnSocket(options, socketPath));
    if (options.tcp) open.push(await listenOnTcp(options, options.tcp));
  } catch (error) {
    await closeAll(open);
    throw error;
  }
  return {
    socketPath,
    tcpPort: options.tcp ? tcpPortOf(options.tcp.port, options.roles) : 0,
    close: () => closeAll(open),
  };
}

async function closeAll(apps: readonly FastifyInstance[]): Promise<void> {
  await Promise.all(apps.map((app) => app.close()));
}

async function listenOnSocket(options: AdminOptions, path: string): Promise<FastifyInstance> {
  await mkdir(join(options.runDir, 'admin'), { recursive: true, mode: 0o770 });
  if (await answers(path)) {
    throw new Error(
      `Another process answers on "${path}"; stop the Tidegate that runs the same roles, ` +
        'or set another runDir',
    );
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const app = await buildApi(options);
  await app.listen({ path });
  await chmod(path, 0o660);
  return app;
}

async function listenOnTcp(options: AdminOptions, tcp: AdminTcp): Promise<FastifyInstance> {
  const host = formatAddress(tcp.address);
  if (tcp.tokenFile === undefined && !isLoopback(tcp.address)) {
    throw new Error(
      `Others can reach "${host}" and no token is set; set admin.tcp.tokenFile, ` +
        'or listen on 127.0.0.1',
    );
  }
  const guard: Guard =
    tcp.tokenFile === undefined ? { hostsOnly: true } : { token: await readToken(tcp.tokenFile) };
  const app = await buildApi({ ...options, guard });
  await app.listen({ host, port: tcpPortOf(tcp.port, options.roles), ipv6Only: true });
  return app;
}

/** True when somebody accepts connections there; a socket file whose owner died refuses them. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (isLive: boolean) => {
      socket.destroy();
      resolve(isLive);
    };
    // A live server that is too busy to accept in time is live all the same.
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(true));
    socket.on('connect', () => end(true));
    socket.on('error', (error: NodeJS.ErrnoException) => end(error.code === 'EAGAIN'));
  });
}
