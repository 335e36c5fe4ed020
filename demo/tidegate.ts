import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { EDGE_INTERFACES } from '../lab/edge-site.ts';
import type { Host } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import type { LabProcess } from '../lab/process.ts';
import type { Backend, Readiness, ServiceDetail, Status } from '../src/admin/api.ts';
import type { DemoCluster } from './cluster/demo-cluster.ts';
import { until } from './until.ts';

const PROGRAM = fileURLToPath(new URL('../bin/tidegate', import.meta.url));
const ROLES = ['controller', 'speaker', 'forwarder'];

const LOG_LINES = 10;
/** A killed leader's Lease runs out first. */
const LEASE_WAIT_MS = 20_000;

/** Tidegate on an edge box of the demo. */
export interface Tidegate {
  /** The command line that starts it. */
  readonly runCommand: readonly string[];
  /** Starts it and waits until every role does its work; those named, when some cannot. */
  start(roles?: readonly string[]): Promise<void>;
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
  pid(): number;
  /** The last lines of its log. */
  logTail(): string;
  /** A command line of the CLI that asks the running one. */
  command(...words: readonly string[]): readonly string[];
  /** A Service, as soon as its addresses are announced and packets to them forwarded. */
  servedService(key: string): Promise<ServiceDetail>;
  /** Waits until it may write to the cluster. */
  leads(): Promise<void>;
  /** Waits until a Service is forgotten. */
  forgets(key: string): Promise<void>;
  /** The backends of a Service on all of its servers. */
  backends(key: string): Promise<readonly Backend[]>;
}

/** Writes the settings; the rest is `start`'s. The box is called as its host. */
export function tidegateOn(host: Host, lab: Lab, cluster: DemoCluster): Tidegate {
  const directory = `${lab.directory}/${host.name}`;
  const config = `${directory}/tidegate.yaml`;
  const runDir = `${directory}/run`;
  const socket = `${runDir}/admin/${ROLES.join('+')}.sock`;
  mkdirSync(directory);
  writeFileSync(
    config,
    `node: ${host.name}
stateDir: ${directory}/state
runDir: ${runDir}
${cluster.settings}
speaker: { interfaces: [${EDGE_INTERFACES[0]}] }
forwarder: { interfaces: [${EDGE_INTERFACES.join(', ')}], bpfDir: ${lab.bpffs}/${host.name} }
`,
  );
  const runCommand = [PROGRAM, 'run', '--config', config, '--roles', ROLES.join(',')];
  const detail = (key: string) => get<ServiceDetail>(socket, `/v1/services/${key}`);
  let running: LabProcess | undefined;
  return {
    runCommand,
    start: async (roles = ROLES) => {
      const started = host.start(runCommand);
      running = started;
      const ready = until('Tidegate is ready', async () => {
        const readiness = await get<Readiness>(socket, '/readyz');
        const ready = readiness?.roles.filter(({ ready }) => ready).map(({ role }) => role) ?? [];
        return roles.every((role) => ready.includes(role)) || undefined;
      });
      const ended = started.exited.then((code) => {
        throw new Error(`Tidegate ended with ${code}`);
      });
      await Promise.race([ready, ended]);
    },
    kill: async () => {
      await running?.stop('SIGKILL');
    },
    pid: () => running?.pid ?? 0,
    logTail: () => (running?.output() ?? '').trimEnd().split('\n').slice(-LOG_LINES).join('\n'),
    command: (...words) => [PROGRAM, ...words, '--run-dir', runDir],
    servedService: (key) =>
      until(`Service ${key} is served`, async () => {
        const service = await detail(key);
        return service && isServed(service) ? service : undefined;
      }),
    leads: async () => {
      const leads = async () =>
        (await get<Status>(socket, '/v1/status'))?.cluster?.leads || undefined;
      await until('Tidegate leads', leads, LEASE_WAIT_MS);
    },
    forgets: async (key) => {
      await until(`${key} is forgotten`, async () => !(await detail(key)) || undefined);
    },
    backends: async (key) =>
      (await detail(key))?.servers?.flatMap((server) => server.backends) ?? [],
  };
}

function isServed({ addresses, announcements = [], servers = [] }: ServiceDetail): boolean {
  return (
    addresses.length > 0 &&
    announcements.length === addresses.length &&
    announcements.every(({ announced }) => announced) &&
    servers.length >= addresses.length &&
    servers.every(({ installed }) => installed?.state === 'done')
  );
}

/** Asks the admin API; `undefined` while there is none, or it does not know. */
function get<T>(socketPath: string, path: string): Promise<T | undefined> {
  return new Promise((resolve) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () =>
        resolve(response.statusCode === 404 ? undefined : (JSON.parse(text) as T)),
      );
    });
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
}
