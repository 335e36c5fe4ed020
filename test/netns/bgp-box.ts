import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Finished } from '../../lab/finished.ts';
import type { Host } from '../../lab/host.ts';
import type { Lab } from '../../lab/lab.ts';
import type { LabProcess } from '../../lab/process.ts';
import { parseAddress } from '../../src/domain/address.ts';
import { type LedgerWriter, openLedger } from '../../src/system/ledger.ts';
import { encodeServing, FORWARDER_REPORT, READY_KEY } from '../../src/system/reports.ts';

/** Ten thousand Services take their time on a busy machine. */
const START_MS = 60_000;
const TIDEGATE = fileURLToPath(new URL('../../bin/tidegate', import.meta.url));

/**
 * Tidegate's controller and speaker on a host, with a folder of manifests. What the forwarder would
 * report, the test says.
 */
export interface BgpBox {
  /** Writes a manifest; empty removes it. */
  write(name: string, text: string): void;
  start(): Promise<void>;
  stop(signal: NodeJS.Signals): Promise<void>;
  pid(): number;
  output(): string;
  /** Says that these addresses, of Services by name, can be served, and others not. */
  serve(services: Readonly<Record<string, readonly string[]>>): Promise<void>;
  /** Closes the report; the process ends with the lab. */
  close(): Promise<void>;
  /** An answer of the admin API. */
  get<T>(path: string): Promise<T>;
  /** Runs a command of `tidegate` that asks the box. */
  ask(...words: readonly string[]): Promise<Finished>;
}

/** `speaker` are settings of that part, as YAML within braces. */
export async function createBgpBox(lab: Lab, host: Host, speaker = ''): Promise<BgpBox> {
  const directory = `${lab.directory}/${host.name}`;
  const manifests = `${directory}/manifests`;
  const settings = `${directory}/tidegate.yaml`;
  mkdirSync(manifests, { recursive: true });
  writeFileSync(
    settings,
    `node: ${host.name}
stateDir: ${directory}/state
runDir: ${directory}/run
cluster: { files: { path: ${manifests} } }
speaker: { ${speaker} }
`,
  );
  const report: LedgerWriter = await openLedger(`${directory}/run/${FORWARDER_REPORT}`, {
    durable: false,
  });
  await report.put([[READY_KEY, { ready: true, atMs: 0 }]]);
  let running: LabProcess | undefined;
  return {
    write(name, text) {
      const file = `${manifests}/${name}.yaml`;
      if (text === '') return rmSync(file, { force: true });
      // Never read half.
      writeFileSync(`${directory}/next`, text);
      renameSync(`${directory}/next`, file);
    },
    async start() {
      const roles = ['--roles', 'controller,speaker'];
      running = host.start([TIDEGATE, 'run', '--config', settings, ...roles]);
      await running.prints(/"Running"/, START_MS);
    },
    async stop(signal) {
      await running?.stop(signal);
    },
    pid: () => running?.pid ?? 0,
    output: () => running?.output() ?? '',
    async serve(services) {
      const wanted = new Map(
        Object.entries(services).flatMap(([name, texts]) =>
          texts.map((text) => [text, servingOf(name, text)] as const),
        ),
      );
      const gone = [...report.entries.keys()].filter((it) => it !== READY_KEY && !wanted.has(it));
      await report.put([...wanted, ...gone.map((text) => [text, undefined] as const)]);
    },
    close: () => report.close(),
    get: (path) => get(`${directory}/run/admin/controller+speaker.sock`, path),
    ask: (...words) => host.finish([TIDEGATE, ...words, '--config', settings]),
  };
}

function servingOf(name: string, text: string) {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return encodeServing({
    address,
    service: `default/${name}`,
    servable: true,
    usableBackends: 1,
    backends: 1,
    reason: '',
    revision: 1,
  });
}

function get<T>(socketPath: string, path: string): Promise<T> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(JSON.parse(text));
        else reject(new Error(`${path}: ${response.statusCode} ${text}`));
      });
    })
      .on('error', reject)
      .end();
  });
}
