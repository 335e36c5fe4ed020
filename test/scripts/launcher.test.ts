import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const BIN = fileURLToPath(new URL('../../bin', import.meta.url));
const PACKAGE = `node-linux-${process.arch}`;

/** An installation whose Node only says what it was called with. */
function installation(t: ExecutionContext): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'tg launcher-')));
  t.teardown(() => rmSync(root, { recursive: true }));
  const node = join(root, 'app', 'node_modules', PACKAGE, 'bin', 'node');
  mkdirSync(join(node, '..'), { recursive: true });
  cpSync(BIN, join(root, 'app', 'bin'), { recursive: true });
  writeFileSync(node, '#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n');
  chmodSync(node, 0o755);
  return root;
}

/** Without the options of Node itself. */
function argumentsOf(stdout: string): string {
  return stdout.replace(/^(--\S+\n)*/, '');
}

function call(command: string, ...args: string[]) {
  return spawnSync(command, args, { cwd: '/', encoding: 'utf8', env: { PATH: '/usr/bin:/bin' } });
}

test('bin/tidegate starts the pinned Node with its arguments and ends as it ends', (t) => {
  const root = installation(t);
  const { status, stdout } = call(join(root, 'app/bin/tidegate'), 'status', 'a b', '');
  t.is(status, 3);
  t.is(argumentsOf(stdout), `${join(root, 'app/src/main.ts')}\nstatus\na b\n\n`);
});

test('bin/tidegate finds its installation through absolute and relative links', (t) => {
  const root = installation(t);
  mkdirSync(join(root, 'sbin'));
  symlinkSync('../app/bin/tidegate', join(root, 'sbin', 'relative'));
  symlinkSync(join(root, 'sbin', 'relative'), join(root, 'absolute'));
  const { stdout } = call(join(root, 'absolute'), 'x');
  t.is(argumentsOf(stdout), `${join(root, 'app/src/main.ts')}\nx\n`);
});

test('bin/tidegate says what to do when the pinned Node is missing', (t) => {
  const root = installation(t);
  rmSync(join(root, 'app', 'node_modules'), { recursive: true });
  const { status, stderr } = call(join(root, 'app/bin/tidegate'));
  t.is(status, 70);
  t.regex(stderr, /^tidegate: the pinned Node .* is missing; run "npm ci" in /);
});
