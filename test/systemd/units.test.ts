import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { run } from '../../lab/command.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const ROLES = ['controller', 'speaker', 'forwarder'] as const;

/** Exposure that `systemd-analyze security` may find at most, in tenths of its scale of ten. */
const EXPOSURE = { controller: 14, speaker: 23, forwarder: 26 } as const;

/** A folder with the units as they are installed, but the program where it is now. */
function unitsFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(`${tmpdir()}/tg-${process.pid}-units-`);
  cpSync(`${ROOT}systemd`, path, { recursive: true });
  const unit = readFileSync(`${path}/tidegate@.service`, 'utf8');
  writeFileSync(`${path}/tidegate@.service`, unit.replaceAll('/opt/tidegate/', ROOT));
  for (const role of ROLES) symlinkSync('tidegate@.service', `${path}/tidegate@${role}.service`);
  return { path, remove: () => rmSync(path, { recursive: true }) };
}

for (const role of ROLES) {
  test(`tidegate@${role} is a unit that systemd finds nothing wrong with`, (t) => {
    const units = unitsFolder();
    t.teardown(units.remove);
    const unit = `${units.path}/tidegate@${role}.service`;
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit]);
    // A key that it does not know is no error to systemd, only a line on stderr.
    t.is(stderr.toString(), '');
    t.is(status, 0);
  });

  test(`tidegate@${role} exposes no more than it needs`, (t) => {
    const units = unitsFolder();
    t.teardown(units.remove);
    const threshold = `--threshold=${EXPOSURE[role]}`;
    const unit = `${units.path}/tidegate@${role}.service`;
    t.notThrows(() => run('systemd-analyze', ['security', '--offline=true', threshold, unit]));
  });
}

test('tidegate.target wants every role', (t) => {
  const target = readFileSync(`${ROOT}systemd/tidegate.target`, 'utf8');
  for (const role of ROLES) t.regex(target, new RegExp(`^Wants=.*tidegate@${role}\\.service`, 'm'));
});
