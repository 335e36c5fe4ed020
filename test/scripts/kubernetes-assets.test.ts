import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';

const SCRIPT = fileURLToPath(new URL('../../scripts/kubernetes-assets', import.meta.url));
const PROGRAMS = ['etcd', 'kube-apiserver', 'kubectl'];

function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(`${tmpdir()}/tg-${process.pid}-assets-`);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function addProgram(folder: string, name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/${name}`, `#!/bin/sh\n${text}\n`);
  chmodSync(`${folder}/${name}`, 0o755);
}

/** In an environment with nothing but this, so without a Go unless `env` brings one. */
function find(env: NodeJS.ProcessEnv, ...args: readonly string[]) {
  const clean = { PATH: '/usr/bin:/bin', ...env };
  return spawnSync('sh', [SCRIPT, ...args], { env: clean, encoding: 'utf8' });
}

test('kubernetes-assets takes the folder that it is told, when all of it runs', (t) => {
  const folder = temporaryFolder(t);
  for (const name of PROGRAMS) addProgram(folder, name, 'exit 0');
  t.is(find({ KUBEBUILDER_ASSETS: folder }).stdout, `${folder}\n`);
  addProgram(folder, 'kubectl', 'exit 1');
  const { status, stderr } = find({ KUBEBUILDER_ASSETS: folder });
  t.is(status, 1);
  t.regex(stderr, /must be a folder where these run: etcd kube-apiserver kubectl/);
});

test('kubernetes-assets finds what was made before, with and without a home', (t) => {
  const cache = temporaryFolder(t);
  const missing = find({ XDG_CACHE_HOME: cache }, '--find');
  t.is(missing.status, 1);
  const folder = /(\S+) is missing: run scripts\/kubernetes-assets, or set KUBEBUILDER_ASSETS/.exec(
    missing.stderr,
  )?.[1] as string;
  t.regex(folder, /\/tidegate\/kubernetes-v1\.34\.\d+-etcd-v3\.6\.\d+$/);
  for (const name of PROGRAMS) addProgram(folder, name, 'exit 0');
  t.is(find({ XDG_CACHE_HOME: cache }, '--find').stdout, `${folder}\n`);
  t.is(find({ XDG_CACHE_HOME: cache }).stdout, `${folder}\n`);
  t.regex(find({}, '--find').stdout + find({}, '--find').stderr, /\/var\/cache\/tidegate\//);
});

test('kubernetes-assets says how to get a Go that can build them', (t) => {
  const bin = temporaryFolder(t);
  addProgram(bin, 'go', 'echo go1.19.8');
  const env = { XDG_CACHE_HOME: bin, PATH: `${bin}:/usr/bin:/bin` };
  const { status, stderr } = find(env);
  t.is(status, 1);
  t.regex(stderr, /no Go 1\.24 or later .* or set KUBEBUILDER_ASSETS to a folder with etcd/);
});

test('kubernetes-assets leaves nothing half-made when the build fails', (t) => {
  const bin = temporaryFolder(t);
  addProgram(bin, 'go', 'case $1 in env) echo go1.24.1 ;; *) echo no network >&2; exit 1 ;; esac');
  const env = { XDG_CACHE_HOME: `${bin}/cache`, PATH: `${bin}:/usr/bin:/bin` };
  const { status, stderr } = find(env);
  t.is(status, 1);
  t.regex(stderr, /no network\n.*Go could not build them/s);
  const { stdout } = spawnSync('ls', [`${bin}/cache/tidegate`], { encoding: 'utf8' });
  t.is(stdout, 'lock\n');
});
