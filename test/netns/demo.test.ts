import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { leftoverLabs } from '../../lab/lab.ts';

const DEMO = fileURLToPath(new URL('../../demo/demo.ts', import.meta.url));

function startDemo() {
  const demo = spawn(process.execPath, [DEMO], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const add = (part: Buffer) => {
    text += part;
  };
  demo.stdout.on('data', add);
  demo.stderr.on('data', add);
  return { demo, text: () => text, ended: once(demo, 'close') };
}

/** Labs are named after the process that made them. */
function labsOf(pid: number | undefined): string[] {
  return leftoverLabs().filter((id) => id.startsWith(`tg-${pid}-`));
}

test.serial('the demo ends with every step passed and leaves nothing behind', async (t) => {
  t.timeout(90_000);
  const { demo, text, ended } = startDemo();
  const [code] = await ended;
  t.is(code, 0, text());
  const [, passed, steps] = /^(\d+) of (\d+) steps passed/m.exec(text()) ?? [];
  t.is(passed, steps, text());
  t.deepEqual(labsOf(demo.pid), []);
});

test.serial('Ctrl-C ends the demo at once and leaves nothing behind', async (t) => {
  const { demo, text, ended } = startDemo();
  while (!text().includes('ready after')) await once(demo.stdout, 'data');
  demo.kill('SIGINT');
  const [, signal] = await ended;
  t.is(signal, 'SIGINT', text());
  t.deepEqual(labsOf(demo.pid), []);
});
