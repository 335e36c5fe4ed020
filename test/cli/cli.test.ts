import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import type { AdminView } from '../../src/admin/view.ts';
import { parseAddress } from '../../src/domain/address.ts';
import type { Problem } from '../../src/domain/problem.ts';
import { box, cli, folder, isGolden, ROLES, withoutBgp } from '../support/run-cli.ts';

test('status shows what is wrong first, from the answers of all roles', async (t) => {
  const { code, out, err } = await cli(['status', '--run-dir', await box(t)]);
  t.is(err, '');
  t.is(code, 1);
  await isGolden(t, 'status', out);
});

test('status ends with 0 and says so when all is well', async (t) => {
  const runDir = await box(t, ['speaker'], (view) => ({
    ...withoutBgp(view),
    problems: () => [],
    snapshot: () => ({
      ...view.snapshot(),
      services: view.snapshot().services.without('shop/late').without('shop/api'),
    }),
  }));
  const { code, out } = await cli(['status', '--run-dir', runDir]);
  t.is(code, 0, out);
  t.regex(out, /^Tidegate 0\.1\.0 on edge-1: all is well\n/);
});

test('status names a role that is not ready, with its reason', async (t) => {
  const runDir = await box(t, ['forwarder'], (view) => ({
    ...view,
    roles: () => [{ role: 'forwarder', ready: false, reason: 'no interface carries the program' }],
  }));
  const { code, out } = await cli(['status', '--run-dir', runDir]);
  t.is(code, 1);
  t.regex(out, /forwarder is not ready/);
  t.regex(out, /forwarder {2}no {5}42 .* no interface carries the program\n/);
});

test('status tells of a process that is silent or gone, and shows the others', async (t) => {
  const runDir = await box(t, ['controller']);
  const mute = createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(join(runDir, 'admin', 'speaker.sock'), resolve));
  t.teardown(() => mute.close());
  await writeFile(join(runDir, 'admin', 'forwarder.sock'), '');
  const { code, out } = await cli(['status', '--run-dir', runDir]);
  t.is(code, 1);
  t.regex(out, /speaker +no .* does not answer within 2 s\. Look at "journalctl -u/);
  t.regex(out, /forwarder +no .* is not running, and left its socket behind/);
  t.regex(out, /controller +yes/);
  t.regex(out, /192\.0\.2\.1 .* not known\n/);
});

test('status --json holds every process and the merged lists', async (t) => {
  const { out } = await cli(['status', '--json', '--run-dir', await box(t)]);
  const answer = JSON.parse(out);
  t.deepEqual(
    answer.processes.map(({ instance, ok }: { instance: string; ok: boolean }) => [instance, ok]),
    [
      ['controller', true],
      ['forwarder', true],
      ['speaker', true],
    ],
  );
  t.is(answer.vips.length, 2);
  t.is(answer.vips[0].announcement.announced, true);
  t.is(answer.vips[0].serving.usable, 1);
  t.is(answer.refused[0].service, 'shop/late');
  t.is(answer.problems.length, 1);
});

for (const command of [['status'], ['explain', 'service', 'a/b'], ['flows']]) {
  test(`${command[0]} ends with 3 and a remedy when nobody has a socket`, async (t) => {
    const { code, err, out } = await cli([...command, '--run-dir', await folder(t)]);
    t.is(code, 3);
    t.is(out, '');
    t.regex(err, /No Tidegate has a socket in .*\/admin\. Start one with "systemctl start/);
  });

  test(`${command[0]} ends with 3 when every process is gone`, async (t) => {
    const runDir = await folder(t);
    await mkdir(join(runDir, 'admin'));
    await writeFile(join(runDir, 'admin', 'forwarder.sock'), '');
    const { code, out, err } = await cli([...command, '--run-dir', runDir]);
    t.is(code, 3);
    t.regex(out + err, /is not running, and left its socket behind/);
  });
}

test('explain tells the whole chain of a Service that works', async (t) => {
  const runDir = await box(t, ROLES, (view) => ({ ...view, problems: () => [] }));
  const { code, out } = await cli(['explain', 'service', 'shop/web', '--run-dir', runDir]);
  t.is(code, 0);
  await isGolden(t, 'explain-served', out);
});

/** As where the box `edge-2` was chosen for the address of shop/web. */
function elsewhere(view: AdminView, reason: string): AdminView {
  const { announcing } = view;
  if (!announcing) return { ...view, problems: () => [] };
  const services = view.snapshot().services.without('shop/late').without('shop/api');
  const [vip, other] = ['192.0.2.1', '192.0.2.2'];
  const announcement = announcing.announcements().get(vip);
  const planned = announcing.planned().get(vip);
  if (!announcement || !planned) throw new Error('The fake announces nothing');
  const withdrawn = { ...announcement, announced: false, interfaces: [], peers: [], reason };
  return {
    ...view,
    problems: () => [],
    snapshot: () => ({ ...view.snapshot(), services }),
    announcing: {
      ...announcing,
      announcements: () => new Map([[vip, withdrawn]]),
      planned: () =>
        announcing
          .planned()
          .without(other)
          .with(vip, { ...planned, owner: 'edge-2' }),
    },
  };
}

test('an address that another box announces is well, and the box is named', async (t) => {
  for (const [reason, told] of [
    ['notOwner', 'Announced  192.0.2.1 by the box "edge-2"'],
    ['draining', 'is not: this box is drained .*; the box "edge-2" does'],
  ] as const) {
    const runDir = await box(t, ['speaker', 'forwarder'], (view) => elsewhere(view, reason));
    const explained = await cli(['explain', 'service', 'shop/web', '--run-dir', runDir]);
    t.is(explained.code, 0, explained.out);
    t.regex(explained.out.replaceAll(/\n +/g, ' '), new RegExp(told));
  }
  const runDir = await box(t, ['speaker'], (view) => elsewhere(withoutBgp(view), 'notOwner'));
  const status = await cli(['status', '--run-dir', runDir]);
  t.is(status.code, 0, status.out);
  t.regex(status.out, /192\.0\.2\.1 +shop\/web +public +by edge-2 .* ok/);
});

/** The box has no route to Pods but the default one. */
function withoutRoutes(view: AdminView): AdminView {
  const { forwarding } = view;
  const router = parseAddress('192.0.2.254');
  return {
    ...view,
    problems: () => [],
    ...(forwarding && { forwarding: { ...forwarding, defaultRouteTo: async () => router } }),
  };
}

test('explain says where only the default route leads to a Pod that does not answer', async (t) => {
  const runDir = await box(t, ROLES, withoutRoutes);
  const silent = await cli(['explain', 'service', 'shop/api', '--run-dir', runDir]);
  const steps = silent.out.slice(silent.out.indexOf('Next step')).replaceAll(/\s+/g, ' ');
  t.regex(
    steps,
    /The backend 10\.0\.0\.9 8443 does not answer\. Only the default route leads to it, by way of 192\.0\.2\.254; .* set forwarder\.podRoutes to auto/,
  );
  const working = await cli(['explain', 'service', 'shop/web', '--run-dir', runDir]);
  t.is(working.code, 0, working.out);
  t.notRegex(working.out, /default route/);
});

test('explain asks to mend a manifest, and says what is in force', async (t) => {
  const { code, out } = await cli(['explain', 'service', 'shop/web', '--run-dir', await box(t)]);
  t.is(code, 1);
  t.regex(out, /Mend web\.yaml:7; until then its last good version is in force/);
});

test('explain says why a Service is not served, and what to do', async (t) => {
  const { code, out } = await cli(['explain', 'service', 'shop/api', '--run-dir', await box(t)]);
  t.is(code, 1);
  await isGolden(t, 'explain-not-served', out);
});

test('explain passes on the allocator’s refusal and remedy', async (t) => {
  const { code, out } = await cli([
    'explain',
    'service',
    'shop',
    'late',
    '--run-dir',
    await box(t),
  ]);
  t.is(code, 1);
  await isGolden(t, 'explain-refused', out);
});

test('explain tells of a type that gets no address, and of a Service that is not there', async (t) => {
  const runDir = await box(t);
  const inner = await cli(['explain', 'service', 'shop/inner', '--run-dir', runDir]);
  t.is(inner.code, 1);
  t.regex(inner.out, /It is of type ClusterIP\. Set spec\.type to LoadBalancer/);
  const none = await cli(['explain', 'service', 'web', '--run-dir', runDir]);
  t.is(none.code, 1);
  t.is(none.out, 'There is no Service "default/web". See "tidegate status" for all.\n');
});

test('explain says which role is missing', async (t) => {
  const only = await box(t, ['speaker']);
  const { out } = await cli(['explain', 'service', 'shop/web', '--run-dir', only]);
  t.regex(out, /No forwarder answers on this box/);
});

test('explain --json holds detail and next steps', async (t) => {
  const runDir = await box(t);
  const { out } = await cli(['explain', 'service', 'shop/late', '--json', '--run-dir', runDir]);
  const answer = JSON.parse(out);
  t.is(answer.detail.refusal.reason, 'AllocationFailed');
  t.is(answer.nextSteps.length, 1);
});

test('flows lists, filters and says when there are more', async (t) => {
  const runDir = await box(t);
  const all = await cli(['flows', '--limit', '2', '--run-dir', runDir]);
  t.is(all.code, 0);
  await isGolden(t, 'flows', all.out);
  const none = await cli(['flows', '--client', '203.0.113.9', '--run-dir', runDir]);
  t.is(none.out, 'No flow matches.\n');
});

test('flows refuses what is no address as a mistake of the command line', async (t) => {
  const { code, err } = await cli(['flows', '--vip', '1.2.3', '--run-dir', await box(t)]);
  t.is(code, 2);
  t.regex(err, /--vip is "1\.2\.3"; write ADDRESS:PORT or \[IPV6\]:PORT/);
});

test('flows says when no forwarder runs here', async (t) => {
  const { code, err } = await cli(['flows', '--run-dir', await box(t, ['speaker'])]);
  t.is(code, 3);
  t.regex(err, /No forwarder runs on this box/);
});

test('run hands over settings and roles, in the order of the roles', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, 'node: lab\n');
  const { code, ran } = await cli(['run', '--config', file, '--roles', 'forwarder,controller']);
  t.is(code, 0);
  t.deepEqual(ran[0]?.roles, ['controller', 'forwarder']);
  t.is(ran[0]?.settings.node, 'lab');
  t.is(ran[0]?.settingsFile, file);
});

test('run starts nothing when the settings have a problem', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, 'stateDri: /x\nnode: UP\n');
  const { code, ran, err } = await cli(['run', '--config', file]);
  t.is(code, 1);
  t.deepEqual(ran, []);
  t.regex(err, /:1:1: stateDri: "stateDri" is not a setting\. Did you mean "stateDir"\?\n/);
  t.regex(err, /:2:1: node: "UP" is not a node name/);
});

test('run --json logs in JSON', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, 'log: {level: debug, format: pretty}\n');
  const { ran } = await cli(['run', '--config', file, '--json']);
  t.deepEqual(ran[0]?.settings.log, { level: 'debug', format: 'json' });
});

test('check tells problems of settings and manifests together', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, 'cluster: {files: {path: /manifests}}\n');
  const problem: Problem = {
    severity: 'error',
    position: { file: 'web.yaml', line: 3 },
    message: 'Port 0 is not a port',
    remedy: 'Write a number from 1 to 65535',
  };
  const folders: string[] = [];
  const checkManifests = async (path: string) => {
    folders.push(path);
    return [problem, { ...problem, severity: 'warning' as const }];
  };
  const { code, err, out } = await cli(['check', '--config', file], { checkManifests });
  t.deepEqual(folders, ['/manifests']);
  t.is(code, 1);
  t.regex(err, /^error: web\.yaml:3: Port 0 is not a port\. Write a number/);
  t.is(out, '1 error, 1 warning.\n');
});

test('check -f checks a folder alone, and warnings alone are no failure', async (t) => {
  const checkManifests = async (): Promise<Problem[]> => [
    { severity: 'warning', message: 'Old annotation', remedy: 'Use the new one' },
  ];
  const { code, out } = await cli(['check', '-f', '/x', '--json'], { checkManifests });
  t.is(code, 0);
  t.is(JSON.parse(out).problems[0].message, 'Old annotation');
  t.is((await cli(['check', '-f', '/x'])).out, 'No problem found.\n');
});

test('check looks at no folder when the objects are in an API server', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, 'cluster: {source: kubernetes}\n');
  const checkManifests = () => Promise.reject(new Error('Looked'));
  const { code, out } = await cli(['check', '--config', file], { checkManifests });
  t.is(code, 0);
  t.is(out, 'No problem found.\n');
});

test('check refuses a settings file that is not there', async (t) => {
  const { code, err } = await cli(['check', '--config', '/nonexistent.yaml']);
  t.is(code, 1);
  t.regex(err, /nonexistent\.yaml: Settings file does not exist\. Create it with/);
});

test('detach tells what it took away, and passes on why it could not', async (t) => {
  const file = join(await folder(t), 'tidegate.yaml');
  await writeFile(file, '');
  const { code, out } = await cli(['detach', '--config', file]);
  t.is(code, 0);
  t.is(out, 'The program is off eth0.\nThe maps in /sys/fs/bpf/tidegate are removed.\n');
  const locked = Object.assign(new Error('A forwarder runs; stop it first'), { code: 'ELOCKED' });
  const refused = await cli(['detach', '--config', file], { detach: () => Promise.reject(locked) });
  t.is(refused.code, 1);
  t.is(refused.err, 'tidegate detach failed: A forwarder runs; stop it first\n');
});

test('a fault of ours ends with 70 and its stack', async (t) => {
  const checkManifests = () => Promise.reject(new Error('Broken'));
  const { code, err } = await cli(['check', '-f', '/x'], { checkManifests });
  t.is(code, 70);
  t.regex(err, /tidegate check failed: Broken\nError: Broken\n {4}at /);
});

test('defaults prints the annotated settings, or JSON', async (t) => {
  t.regex((await cli(['defaults'])).out, /^# Settings of Tidegate/);
  t.is(JSON.parse((await cli(['defaults', '--json'])).out).forwarder.limits.flows, 1_048_576);
});

test('--help tells of the program and of each command', async (t) => {
  const { code, out } = await cli(['--help']);
  t.is(code, 0);
  await isGolden(t, 'help', out);
  for (const name of [
    ...['run', 'check', 'status', 'explain', 'bgp', 'bfd', 'trace', 'capture', 'top', 'flows'],
    ...['detach', 'defaults'],
  ]) {
    const help = await cli([name, '--help']);
    t.is(help.code, 0);
    t.true(help.out.startsWith(`tidegate ${name}: `));
    t.true(
      help.out.split('\n').every((line) => line.length <= 100),
      name,
    );
    t.is((await cli(['help', name])).out, help.out);
  }
  t.is((await cli(['--version'])).out, 'tidegate 0.1.0\n');
});

const MISTAKES: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /^tidegate: edge load balancer/],
  [['stats'], /^"stats" is not a command\. See "tidegate --help"\n$/],
  [['status', '--nope'], /^Unknown option '--nope'\. See "tidegate status --help"\n$/],
  [['status', 'x'], /^"x" is not expected here\./],
  [
    ['run', '--roles', 'speaker,router'],
    /^"router" is not a role; write one or more of controller/,
  ],
  [['run', '--roles', ''], /^"" is not a role/],
  [['explain'], /^Write "explain service NAMESPACE\/NAME"\./],
  [['explain', 'pod', 'a/b'], /^Write "explain service/],
  [['explain', 'service'], /^Name one Service\./],
  [['explain', 'service', 'a/b', 'c', 'd'], /^Name one Service\./],
  [['explain', 'service', 'a/b/c'], /^"a\/b\/c" is not the name of a Service/],
  [['explain', 'service', '../x'], /is not the name of a Service/],
  [['bgp', 'all'], /^"all" is not one of peers, routes, received\./],
  [['bgp', 'routes', 'a', 'b'], /^Name one peer, or none for all\./],
  [['bfd', 'a', 'b'], /^Name one peer, or none for all\./],
  [['flows', '--limit'], /argument missing/],
  [['flows', '--idle-more-than', 'long'], /--idle-more-than is "long"; write seconds, or 5m/],
  [['trace', '--to', '192.0.2.1:80'], /^--from is missing: write ADDRESS or ADDRESS:PORT\./],
  [['trace', '--from', '1.2.3.4', '--to', '192.0.2.1'], /^--to needs a port for TCP/],
  [['trace', '--from', '1.2.3.4:x', '--to', '192.0.2.1:1'], /^--from is "1\.2\.3\.4:x"/],
  [['trace', '--tcp', '--udp', '--from', '::1', '--to', '[::2]:1'], /^Give one of --tcp/],
  [['trace', '--pcap', 'x', '--ttl', '3'], /^--ttl is for a made-up packet, not for --pcap/],
  [['capture', '--vip', '192.0.2.1'], /^Say where to: -w FILE, or -w - for standard output/],
  [['capture', '--vip', '192.0.2.1', '-w', 'x', '--sample', '0.1'], /write 1\/N/],
  [['top', '--sort', 'name'], /write one of packets, bytes, flows, drops/],
  [['top', '--interval', '0'], /^--interval is "0"; write 1s/],
];

for (const [args, message] of MISTAKES) {
  test(`"tidegate ${args.join(' ')}" is a mistake of the command line`, async (t) => {
    const { code, out, err } = await cli(args);
    t.is(code, 2);
    t.is(out, '');
    t.regex(err, message);
  });
}

test('trace tells each decision, and the packet before and after', async (t) => {
  const args = ['--from', '198.51.100.7', '--to', '192.0.2.1:80', '--run-dir', await box(t)];
  const { code, out, err } = await cli(['trace', ...args]);
  t.is(err, '');
  t.is(code, 0);
  await isGolden(t, 'trace', out);
  const bytes = await cli(['trace', '--hex', ...args]);
  t.regex(bytes.out, /\n {2}0000 {2}0200 0000 00eb 0200 0000 0001 0800 4500\n/);
  t.is(JSON.parse((await cli(['trace', '--json', ...args])).out).items[0].outcome, 'forwarded');
});

test('trace ends with 4 when a packet of a file is dropped, and says what to do', async (t) => {
  const runDir = await box(t);
  const file = join(await folder(t), 'two.pcapng');
  const capture = ['capture', '--vip', '192.0.2.1', '--count', '2', '-w', file];
  t.is((await cli([...capture, '--run-dir', runDir])).code, 0);
  const { code, out } = await cli(['trace', '--pcap', file, '--run-dir', runDir]);
  t.is(code, 4);
  t.regex(out, /^Packet 1, in by eth0: /);
  t.regex(out, /Dropped: nat_ports, no free NAT port: add forwarder\.natAddresses\n/);
  t.regex(out, /Packet 3, .*Passed to the kernel: not for Tidegate\n/s);
});

test('trace passes on which interfaces there are', async (t) => {
  const args = ['--from', '::1', '--to', '[::2]:80', '--in', 'eth7', '--run-dir', await box(t)];
  const { code, err } = await cli(['trace', ...args]);
  t.is(code, 1);
  t.regex(err, /"eth7" does not carry the program; these do: eth0/);
});

test('capture writes a file and says how much there is and how much was lost', async (t) => {
  const file = join(await folder(t), 'web.pcapng');
  const args = ['--vip', '192.0.2.1:80', '--client', '198.51.100.0/24', '--sample', '1/8'];
  const { code, err } = await cli([
    ...['capture', ...args, '--count', '10', '-w', file, '--run-dir', await box(t)],
  ]);
  t.is(err, 'packets 10, lost 5\n');
  t.is(code, 0);
  t.is((await readFile(file)).readUInt32BE(0), 0x0a0d0d0a);
});

test('top shows rates, busiest first, and what is dropped', async (t) => {
  const runDir = await box(t);
  const { code, out } = await cli(['top', '--once', '--interval', '200ms', '--run-dir', runDir]);
  t.is(code, 0);
  t.regex(out, /^1 ports?, over 0\.\d s\n/);
  t.regex(out, /192\.0\.2\.1:80 +TCP +0 +0 B\/s +0 +17 +0 +shop\/web\n/);
  const lines = await cli(['top', '--once', '--json', '--interval', '0.2', '--run-dir', runDir]);
  t.is(JSON.parse(lines.out).items[0].flows, 17);
});

test('flows --count counts by state', async (t) => {
  const { out } = await cli(['flows', '--count', '--run-dir', await box(t)]);
  t.regex(out, /established +3\n/);
  t.regex(out, /all +3\n/);
});
