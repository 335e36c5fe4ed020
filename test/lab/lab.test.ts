import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import test from 'ava';
import { run } from '../../lab/command.ts';
import { addPod, buildEdgeSite } from '../../lab/edge-site.ts';
import { createLab, leftoverLabs, removeLab } from '../../lab/lab.ts';

const LAB = new URL('../../lab/lab.ts', import.meta.url).href;

test.serial('an edge site carries packets between client, edge, nodes and Pods', async (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const { client, edge, workers } = buildEdgeSite(lab);
  const pod = addPod(lab, workers[0], 'pod-a', 11);
  const other = addPod(lab, workers[1], 'pod-b', 12);
  for (const [from, to] of [
    [client, '192.0.2.2'],
    [client, '2001:db8:f::2'],
    [edge, workers[0].addresses[0]],
    [edge, workers[1].addresses[1]],
    [edge, pod.addresses[0]],
    [edge, other.addresses[1]],
    [pod.host, other.addresses[0]],
  ] as const) {
    const ping = await from.finish(['ping', '-c1', '-W2', to]);
    t.is(ping.code, 0, `${from.name} to ${to}: ${ping.stdout}${ping.stderr}`);
  }
});

test.serial('opposite an end that sends by XDP stands a program in native mode', (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const [edge, router] = [lab.host('edge'), lab.host('router')];
  lab.cable({ host: edge, name: 'eth0', xdp: true }, { host: router, name: 'eth0' });
  t.regex(router.run(['ip', '-d', 'link', 'show', 'eth0']), /mtu 1500 xdp .*prog\/xdp/s);
  t.notRegex(edge.run(['ip', '-d', 'link', 'show', 'eth0']), /xdp/);
  t.regex(router.run(['ethtool', '-k', 'eth0']), /^tx-checksumming: off$/m);
});

test.serial('run() throws with the exit code and what the program said', (t) => {
  const lab = createLab();
  t.teardown(lab.remove);
  const host = lab.host('a');
  const error = t.throws(() => host.run(['sh', '-c', 'echo no such luck >&2; exit 3']));
  t.regex(error.message, /exit code 3\): no such luck$/);
});

test.serial(
  'prints() finds output, and rejects with it when the program ends without',
  async (t) => {
    const lab = createLab();
    t.teardown(lab.remove);
    const host = lab.host('a');
    const talker = host.start(['sh', '-c', 'echo "port $PORT"; exec sleep 100'], { PORT: '80' });
    t.is((await talker.prints(/port (\d+)/))[1], '80');
    t.is(await talker.stop(), 'SIGTERM');
    const mute = host.start(['sh', '-c', 'echo sorry']);
    await t.throwsAsync(mute.prints(/ready/), { message: /ended without .*sorry/s });
  },
);

test.serial('remove() takes away processes, namespaces, pins and folder', async (t) => {
  const lab = createLab();
  const host = lab.host('a');
  const sleeper = host.start(['sh', '-c', 'sleep 100 & echo child $!; wait']);
  const child = (await sleeper.prints(/child (\d+)/))[1];
  lab.remove();
  lab.remove();
  t.is(await sleeper.exited, 'SIGKILL');
  for (const path of [`/run/netns/${host.netns}`, lab.bpffs, lab.directory, `/proc/${child}/cwd`])
    t.false(existsSync(path), path);
});

test.serial('remove() takes away a process that has only just been started', async (t) => {
  const lab = createLab();
  const host = lab.host('a');
  const processes = Array.from({ length: 10 }, () => host.start(['sleep', '100']));
  lab.remove();
  for (const { exited } of processes) t.is(await exited, 'SIGKILL');
});

test.serial('a lab whose owner was killed is removed by the next one', async (t) => {
  const script = `
    const { createLab } = await import('${LAB}');
    const lab = createLab();
    const sleeper = lab.host('a').start(['sh', '-c', 'echo up; exec sleep 100']);
    await sleeper.prints(/up/);
    console.log(lab.id, sleeper.pid);
    await sleeper.exited;`;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(owner.stdout, 'data')) as [Buffer];
  const [id = '', pid = ''] = line.toString().trim().split(' ');
  t.false(leftoverLabs().includes(id));
  owner.kill('SIGKILL');
  await once(owner, 'exit');
  t.true(leftoverLabs().includes(id));
  t.true(existsSync(`/proc/${pid}`));
  createLab().remove();
  t.false(leftoverLabs().includes(id));
  t.notRegex(run('ip', ['netns']), new RegExp(id));
});

test.serial('removeLab() of something absent is no error', (t) => {
  t.notThrows(() => removeLab('tg-none'));
});
