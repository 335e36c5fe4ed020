import { mkdirSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Finished } from '../../../lab/finished.ts';
import type { Host } from '../../../lab/host.ts';
import type { LabProcess } from '../../../lab/process.ts';
import type { BoxName } from './edge-pair.ts';

const TIDEGATE = fileURLToPath(new URL('../../../bin/tidegate', import.meta.url));
const RELAY = fileURLToPath(new URL('../../../lab/relay.ts', import.meta.url));
const START_WAIT_MS = 30_000;

export type Role = 'controller' | 'speaker' | 'forwarder';
export const ROLES: readonly Role[] = ['controller', 'speaker', 'forwarder'];

/** An edge box as systemd runs it: a process a role, each of which logs in as itself. */
export interface PairBox {
  readonly name: BoxName;
  readonly host: Host;
  /** Starts these roles, by default all, and waits until they run. */
  start(roles?: readonly Role[]): Promise<void>;
  /** Ends these roles, by default all, all at once. */
  stop(signal: NodeJS.Signals, roles?: readonly Role[]): Promise<void>;
  /** Sends a signal that ends nothing. */
  signal(role: Role, signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** All that ran with the role has logged so far. */
  output(role: Role): string;
  /** Runs a command of `tidegate` on the box. */
  ask(...words: readonly string[]): Promise<Finished>;
  /** Loses its power: every process and every link. */
  die(): Promise<void>;
  /** Its links are back; nothing runs yet. */
  revive(): void;
  /** Parts it from the API server, and from nothing else. */
  cutOff(): void;
  /** Takes that back. */
  rejoin(): void;
}

/** The settings of both boxes: times short enough for a test, long enough for a busy machine. */
export const HEARTBEAT_LIFETIME_MS = 4000;
export const LEASE_DURATION_MS = 4000;
const SETTINGS = `  lease: { duration: 4s, renewDeadline: 3s, retryPeriod: 500ms }
    heartbeat: { interval: 500ms, lifetime: 4s }
    idleTimeout: 5s
speaker:
  interfaces: [front]
  gratuitous: { refresh: 1h }`;

export interface PairBoxOptions {
  readonly name: BoxName;
  readonly host: Host;
  /** The lab's. */
  readonly directory: string;
  readonly bpffs: string;
  /** Folder with the kubeconfigs of the roles. */
  readonly kubernetes: string;
  /** The API server's, on the machine's loopback. */
  readonly server: string;
  /** More lines of tidegate.yaml. */
  readonly settings?: string;
}

export async function createPairBox(options: PairBoxOptions): Promise<PairBox> {
  const { name, host, directory } = options;
  const config = `${directory}/${name}/tidegate.yaml`;
  mkdirSync(`${directory}/${name}`, { recursive: true });
  writeFileSync(config, settingsOf(options));
  const path = await openWayToApi(options);
  const started: { role: Role; process: LabProcess }[] = [];
  const running = (role: Role) => started.findLast((it) => it.role === role)?.process;
  const stop: PairBox['stop'] = async (signal, roles = ROLES) => {
    await Promise.all(roles.map((role) => running(role)?.stop(signal)));
  };
  return {
    name,
    host,
    stop,
    async start(roles = ROLES) {
      const all = roles.map((role) => {
        const process = host.start([TIDEGATE, 'run', '--config', config, '--roles', role]);
        started.push({ role, process });
        return process;
      });
      await Promise.all(all.map((process) => process.prints(/"Running"/, START_WAIT_MS)));
    },
    signal(role, signal) {
      const pid = running(role)?.pid;
      if (pid !== undefined) process.kill(pid, signal);
    },
    output: (role) =>
      started
        .filter((it) => it.role === role)
        .map(({ process }) => process.output())
        .join(''),
    ask: (...words) => host.finish([TIDEGATE, ...words, '--config', config]),
    async die() {
      host.ip('link set front down', 'link set back down');
      path.cut();
      await stop('SIGKILL');
    },
    cutOff: path.cut,
    rejoin: path.mend,
    revive() {
      path.mend();
      host.ip(
        'link set front up',
        'link set back up',
        'route replace default via 192.0.2.1',
        ...addressesThatGo(name),
      );
    },
  };
}

function settingsOf({ name, directory, bpffs, kubernetes, settings = '' }: PairBoxOptions): string {
  return `node: ${name}
labels: [rack=${name}]
stateDir: ${directory}/${name}/state
runDir: ${directory}/${name}/run
cluster:
  source: kubernetes
  kubernetes:
    kubeconfig: ${kubernetes}/{role}.kubeconfig
  ${SETTINGS}
forwarder:
  interfaces: [front, back]
  bpfDir: ${bpffs}/${name}
  limits: { flows: 65536, servers: 1024, backends: 4096, affinity: 1024 }
  health: { interval: 200ms, timeout: 100ms }
log: { level: info, format: json }
${settings}
`;
}

/** Linux takes IPv6 addresses away from a link that goes down. */
function addressesThatGo(name: BoxName): readonly string[] {
  const last = name === 'edge-1' ? 2 : 3;
  return [
    `addr replace 2001:db8:f::${last}/64 dev front nodad`,
    `addr replace fd00:10::${last}/64 dev back nodad`,
    'route replace default via 2001:db8:f::1',
  ];
}

/**
 * The API server's address on the box's own loopback, so that its certificate holds there, too: a
 * relay in the box's namespace and a Unix socket out of it.
 */
async function openWayToApi({ name, host, directory, server }: PairBoxOptions) {
  const { hostname, port } = new URL(server);
  const path = `${directory}/${name}/api`;
  const links = new Set<Socket>();
  let isCut = false;
  const out = createServer((inner) => {
    const outer = connect({ host: hostname, port: Number(port) });
    for (const socket of [inner, outer]) {
      links.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        links.delete(socket);
        inner.destroy();
        outer.destroy();
      });
    }
    if (isCut) inner.destroy();
    inner.pipe(outer).pipe(inner);
  });
  await new Promise<void>((resolve) => {
    out.listen(path, resolve);
  });
  out.unref();
  host.start([process.execPath, RELAY, `${hostname}:${port}`, path]);
  return {
    cut() {
      isCut = true;
      for (const socket of links) socket.destroy();
    },
    mend() {
      isCut = false;
    },
  };
}
