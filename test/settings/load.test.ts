import { readFile } from 'node:fs/promises';
import test from 'ava';
import fc from 'fast-check';
import { parseAddress } from '../../src/domain/address.ts';
import { formatProblem, type Problem } from '../../src/domain/problem.ts';
import { annotatedSettings } from '../../src/settings/annotated.ts';
import { defaultSettings, loadSettings, parseSettings } from '../../src/settings/load.ts';
import type { Settings } from '../../src/settings/settings.ts';

const HOST = { hostname: 'Edge-1' };

function settingsOf(text: string): Settings {
  const result = parseSettings(text, 'tidegate.yaml', HOST);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.settings;
}

function problemsOf(text: string): readonly Problem[] {
  const result = parseSettings(text, 'tidegate.yaml', HOST);
  return result.ok ? [] : result.problems;
}

test('config/tidegate.yaml is what annotatedSettings() writes', async (t) => {
  const file = await readFile(new URL('../../config/tidegate.yaml', import.meta.url), 'utf8');
  t.is(file, annotatedSettings(), 'write it anew: bin/tidegate defaults > config/tidegate.yaml');
});

test('parseSettings() reads the annotated file as the defaults', (t) => {
  t.deepEqual(settingsOf(annotatedSettings()), defaultSettings(HOST));
});

test('annotatedSettings() stays valid when every disabled setting is turned on', (t) => {
  const text = annotatedSettings().replaceAll(/^( *)#((?: {2})*)#?(?=\w+:)/gm, '$1$2');
  const settings = settingsOf(text);
  t.is(settings.node, 'edge-1');
  t.is(settings.admin.tcp?.port, 9640);
  t.is(settings.admin.tcp?.tokenFile, '/etc/tidegate/admin-token');
});

test('annotatedSettings() explains every setting in a line above it', (t) => {
  const lines = annotatedSettings().split('\n');
  const bare = lines.filter(
    (line, index) =>
      /^[ #]*\w+:( |$)/.test(line) &&
      !/# \w/.test(line) &&
      !/^[ #]*# /.test(lines[index - 1] ?? ''),
  );
  t.deepEqual(bare, []);
});

test('parseSettings() decodes into units, addresses and ranges', (t) => {
  const settings = settingsOf(`
forwarder:
  natAddresses: [192.0.2.1, "2001:db8::1"]
  natPorts: 2000-2999
  timeouts: {udpStream: 2m}
  neighbours: {probe: 1s}
  flood: {newFlows: 100, clientPrefix6: 56}
  deadBackends: reset
  scheduler: round-robin
  health: {interval: 500ms, timeout: 250ms, check: http, expectedStatus: "200,300-302"}
admin: {tcp: {address: "::1", port: 9000}}
node: lab
`);
  t.is(settings.node, 'lab');
  t.deepEqual(settings.forwarder.natAddresses, [
    parseAddress('192.0.2.1'),
    parseAddress('2001:db8::1'),
  ]);
  t.deepEqual(settings.forwarder.natPorts, { first: 2000, last: 2999 });
  t.is(settings.forwarder.timeouts.udpStream, 120);
  t.like(settings.forwarder, {
    neighbours: { probeMs: 1000 },
    flood: {
      newFlows: 100,
      repliesPerSecond: 1000,
      clientNewFlows: 0,
      clientPrefix4: 32,
      clientPrefix6: 56,
    },
    deadBackends: 'reset',
    scheduler: 'round-robin',
    unservedPorts: 'reject',
    unknownFlows: 'reset',
  });
  t.is(settings.forwarder.health.intervalMs, 500);
  t.deepEqual(settings.forwarder.health.expectedStatus, [
    [200, 200],
    [300, 302],
  ]);
  t.deepEqual(settings.admin.tcp, {
    address: parseAddress('::1'),
    port: 9000,
    tokenFile: undefined,
  });
});

test('parseSettings() takes an empty file, a comment and an empty section as the defaults', (t) => {
  for (const text of ['', '# nothing', 'speaker:\nforwarder:\n  health:\n', '{}', 'node: null']) {
    t.deepEqual(settingsOf(text), defaultSettings(HOST));
  }
});

test('defaultSettings() names the box by its host name in lower case', (t) => {
  t.is(defaultSettings(HOST).node, 'edge-1');
});

const REFUSED: readonly (readonly [string, string])[] = [
  ['stateDir: var', '1:1: stateDir: "var" is not an absolute path'],
  ['runDri: /x', '1:1: runDri: "runDri" is not a setting. Did you mean "runDir"?'],
  ['log: {colour: 1}', 'log.colour: "colour" is not a setting. Known here: level, format'],
  [
    'log:\n  level: warning',
    '2:3: log.level: "warning" is not one of "debug", "info", "warn", "error"',
  ],
  ['log: {level: warning}', 'Write one of these'],
  ['log: {level: inof}', 'Did you mean "info"?'],
  ['log: pretty', '1:1: log: "pretty" is not a section'],
  ['- a', 'is not a section'],
  ['speaker: {interfaces: eth0}', 'speaker.interfaces: "eth0" is not a list'],
  [
    'speaker: {interfaces: [eth0, "a b"]}',
    'speaker.interfaces[1]: "a b" is not the name of a network',
  ],
  ['speaker: {interfaces: [a, a]}', 'The same entry stands twice. Remove one of them'],
  ['loadBalancer: {handleUnclassed: yes}', '"yes" is not true or false'],
  ['forwarder: {limits: {flows: 1000000}}', '1000000 is not a power of two'],
  ['forwarder: {limits: {flows: 1.5}}', '1.5 is not a power of two'],
  ['forwarder: {limits: {servers: 3}}', '3 is not a whole number from 64 to 1048576'],
  ['forwarder: {limits: {fragments: 0}}', '0 is not a whole number from 64'],
  ['forwarder: {scheduler: maglv}', 'Did you mean "maglev"?'],
  ['forwarder: {unservedPorts: reset}', '"reset" is not one of "reject", "drop"'],
  ['forwarder: {flood: {newFlows: 99}}', '99 is not a whole number from 100'],
  ['forwarder: {flood: {clientPrefix4: 33}}', '33 is not a whole number from 8 to 32'],
  ['forwarder: {neighbours: {probe: 49ms}}', '"49ms" is not a usable duration'],
  ['forwarder: {neighbours: {probe: 49ms }}', 'with ms, s, m or h, at least 50ms'],
  ['forwarder: {natPorts: 9-1}', '"9-1" is not a range of ports'],
  ['forwarder: {natPorts: 1-65536}', 'is not a range of ports'],
  ['forwarder: {natAddresses: [10.0.0.01]}', 'natAddresses[0]: "10.0.0.01" is not an IP address'],
  ['forwarder: {timeouts: {udp: 1500ms}}', 'Write whole seconds'],
  ['forwarder: {timeouts: {udp: 0s}}', '"0s" is not a usable duration'],
  ['forwarder: {timeouts: {udp: 577h}}', '"577h" is not a usable duration'],
  ['forwarder: {health: {interval: 2}}', '2 is not a usable duration'],
  ['forwarder: {health: {expectedStatus: "600"}}', '"600" is not a list of HTTP statuses'],
  ['forwarder: {health: {timeout: 3s}}', 'Timeout "3s" is longer than the interval "2s"'],
  ['speaker: {bgp: {restartTime: 2h}}', 'Restart time "2h" is longer than BGP can say'],
  [
    'speaker: {bgp: {shutdownWait: 61s}}',
    'A speaker that waits "61s" is killed before it withdraws',
  ],
  ['admin: {tcp: {address: 0.0.0.0}}', 'Others can reach "0.0.0.0" and no token is set'],
  ['cluster: {source: kubernets}', 'Did you mean "kubernetes"?'],
  ['cluster: {kubernetes: {kubeconfig: .kube/config}}', '".kube/config" is not an absolute path'],
  ['cluster: {kubernetes: {namespace: A}}', '"A" is not the name of a namespace'],
  ['cluster: {kubernetes: {idleTimeout: 1s}}', '"1s" is not a usable duration'],
  [
    'cluster: {kubernetes: {lease: {duration: 5s}}}',
    'The leader gives up no earlier than others take over',
  ],
  [
    'cluster: {kubernetes: {lease: {retryPeriod: 8s}}}',
    'The Lease is not renewed before the leader gives up',
  ],
  [
    'cluster: {kubernetes: {heartbeat: {interval: 5s}}}',
    'One lost heartbeat is taken for the death of the box',
  ],
  [
    `node: ${'a'.repeat(64)}\ncluster: {source: kubernetes}`,
    "The name of this box has 64 characters and is a label's value",
  ],
  ['labels: {rack: r1}', '{"rack":"r1"} is not a list'],
  ['labels: [rack]', '"rack" is not a label. Write name=value'],
  ['node: Edge_1', '"Edge_1" is not a node name'],
  ['log: {level: info', 'YAML is not readable'],
  ['node: a\nnode: b', '2:1: YAML is not readable: Map keys must be unique'],
  ['log: *nothing', '1:1: YAML is not readable: Unresolved alias'],
  ['a: 1\n---\nb: 2', 'YAML is not readable'],
];

for (const [text, message] of REFUSED) {
  test(`parseSettings() refuses ${JSON.stringify(text)}`, (t) => {
    const lines = problemsOf(text).map(formatProblem);
    t.true(
      lines.some((line) => line.startsWith('tidegate.yaml') && line.includes(message)),
      lines.join('\n') || 'accepted',
    );
  });
}

test('parseSettings() reads labels and the way to a cluster', (t) => {
  const { labels, cluster } = settingsOf(
    'labels: [rack=r1, topology.kubernetes.io/zone=]\ncluster: {source: kubernetes}',
  );
  t.deepEqual(labels, { rack: 'r1', 'topology.kubernetes.io/zone': '' });
  t.is(cluster.source, 'kubernetes');
  t.is(cluster.kubernetes.kubeconfig, undefined);
  t.deepEqual(cluster.kubernetes.lease, {
    durationMs: 10_000,
    renewDeadlineMs: 7000,
    retryPeriodMs: 2000,
  });
});

test('parseSettings() reports every problem once, in the order of the file', (t) => {
  const problems = problemsOf(
    'stateDir: x\nrunDir: y\nlog: {level: q}\nspeaker: {gratuitous: {burst: 0}}\nzzz: 1\n' +
      'forwarder: {xdpMode: fast, limits: {flows: 7, servers: 1, backends: 1, affinity: 1}}\n',
  );
  t.deepEqual(
    problems.map((problem) => problem.field),
    [
      'stateDir',
      'runDir',
      'log.level',
      'speaker.gratuitous.burst',
      'zzz',
      'forwarder.xdpMode',
      'forwarder.limits.flows',
      'forwarder.limits.servers',
      'forwarder.limits.backends',
      'forwarder.limits.affinity',
    ],
  );
});

test('parseSettings() never throws, whatever stands in the file', (t) => {
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('null', '[]', '{}', '.nan', '-1', '1e99', '*a', '&a b'),
  );
  const key = fc.constantFrom(
    'forwarder',
    'node',
    'log',
    'admin',
    'speaker',
    '__proto__',
    'constructor',
    '? [a]',
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 4 }), (lines) => {
      const text = lines.map(([name, content]) => `${name}: ${content}`).join('\n');
      t.is(typeof parseSettings(text, 'f', HOST).ok, 'boolean');
    }),
    { numRuns: 500 },
  );
});

test('loadSettings() says what to do when the file is missing or not a file', async (t) => {
  const missing = await loadSettings('/nonexistent/tidegate.yaml', HOST);
  t.false(missing.ok);
  t.regex(missing.ok ? '' : formatProblem(missing.problems[0] as Problem), /tidegate defaults > /);
  const folder = await loadSettings('/', HOST);
  t.regex(folder.ok ? '' : (folder.problems[0]?.message ?? ''), /not readable: EISDIR/);
});
