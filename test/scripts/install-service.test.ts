import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SCRIPT = fileURLToPath(new URL('../../scripts/install-service', import.meta.url));

function install(destination: string, ...args: readonly string[]) {
  const env = { ...process.env, DESTDIR: destination, PREFIX: '/usr/lib/tidegate' };
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, ...args], { env, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

test.serial('install-service installs, updates without touching settings, and removes', (t) => {
  const folder = mkdtempSync(`${tmpdir()}/tg-${process.pid}-install-`);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const first = install(folder);
  t.is(first.status, 0, first.said);

  const program = `${folder}/usr/lib/tidegate`;
  const help = spawnSync(`${program}/bin/tidegate`, ['--help'], { encoding: 'utf8' });
  t.is(help.status, 0, `${help.stderr}${help.error}`);
  t.false(existsSync(`${program}/node_modules/typescript`));
  const unit = readFileSync(`${folder}/etc/systemd/system/tidegate@.service`, 'utf8');
  t.regex(unit, /^ExecStart=\/usr\/lib\/tidegate\/bin\/tidegate run /m);

  const settings = `${folder}/etc/tidegate/tidegate.yaml`;
  writeFileSync(settings, '# mine\n');
  const again = install(folder);
  t.is(again.status, 0, again.said);
  t.is(readFileSync(settings, 'utf8'), '# mine\n');
  t.false(existsSync(`${program}.old`) || existsSync(`${program}.new`));

  const removed = install(folder, '--uninstall');
  t.is(removed.status, 0, removed.said);
  t.false(existsSync(program));
  t.false(existsSync(`${folder}/etc/systemd/system/tidegate@.service`));
  t.true(existsSync(settings));
});

test.serial('install-service refuses arguments that it does not know', (t) => {
  const { status, said } = install('/nonexistent', '--remove');
  t.is(status, 2);
  t.regex(said, /unknown argument "--remove"/);
});
