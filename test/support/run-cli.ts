import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { startAdmin } from '../../src/admin/server.ts';
import type { AdminView } from '../../src/admin/view.ts';
import { runCli } from '../../src/cli/cli.ts';
import type { Actions, RunOptions } from '../../src/cli/command.ts';
import type { RoleName } from '../../src/domain/role.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { fakeAdminView, START_MS } from './fake-admin-view.ts';
import { NO_BGP } from './fake-bgp-view.ts';
import { recordingLog } from './recording-log.ts';

export const ROLES: readonly RoleName[] = ['controller', 'speaker', 'forwarder'];
const HOUR_MS = 3_600_000;

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly ran: readonly RunOptions[];
}

/** Runs the command line as a user does, some hours after the fake box started. */
export async function cli(args: readonly string[], actions: Partial<Actions> = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const ran: RunOptions[] = [];
  const code = await runCli(args, {
    io: {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      columns: 100,
      colour: false,
      isTerminal: false,
      nowMs: () => START_MS + 3 * HOUR_MS,
    },
    actions: {
      run: async (options) => {
        ran.push(options);
        return 0;
      },
      checkManifests: async () => [],
      detach: async () => ({ interfaces: ['eth0'], maps: true }),
      ...actions,
    },
    version: '0.1.0',
    hostname: 'edge-1',
  });
  return { code, out, err, ran };
}

export async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'tg-cli-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Compares with `test/cli/golden/<name>.txt`; UPDATE_GOLDEN=1 writes it anew. */
export async function isGolden(t: ExecutionContext, name: string, text: string): Promise<void> {
  const file = new URL(`../cli/golden/${name}.txt`, import.meta.url);
  if (process.env['UPDATE_GOLDEN']) await writeFile(file, text);
  t.is(text, await readFile(file, 'utf8'));
}

/** A box whose roles each answer in a process of their own. */
export async function box(
  t: ExecutionContext,
  roles: readonly RoleName[] = ROLES,
  change: (view: AdminView) => AdminView = (view) => view,
): Promise<string> {
  const runDir = await folder(t);
  for (const role of roles) {
    const server = await startAdmin({
      view: change(fakeAdminView([role])),
      metrics: createMetrics(),
      log: recordingLog(),
      runDir,
      roles: [role],
      tcp: undefined,
    });
    t.teardown(() => server.close());
  }
  return runDir;
}

/** The same box, whose speaker has nobody to speak to. */
export function withoutBgp(view: AdminView): AdminView {
  return view.announcing ? { ...view, announcing: { ...view.announcing, bgp: NO_BGP } } : view;
}
