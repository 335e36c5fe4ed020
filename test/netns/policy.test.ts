import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { addPod, buildEdgeSite, type EdgeSite, type Pod } from '../../lab/edge-site.ts';
import { createLab, type Lab } from '../../lab/lab.ts';
import { type Box, createBox, POOL, serve, serviceManifest, tcpFrom, until } from './box.ts';
import type { TcpJob, TrafficResult } from './traffic.ts';

/** What Services ask for by annotations and spec, seen from clients with real stacks. */
let lab: Lab;
let site: EdgeSite;
let pods: readonly [Pod, Pod, Pod];
let box: Box;

const VIP = '192.0.2.100';
const VIP6 = '2001:db8:f::100';
/** Refuses new connections and leaves those that are open: a Pod that is ill, not gone. */
const REFUSE = `table inet refuse {
  chain input {
    type filter hook input priority 0;
    tcp dport 8080 tcp flags & (syn | ack) == syn reject with tcp reset;
  }
}`;

test.before(async () => {
  lab = createLab();
  site = buildEdgeSite(lab);
  const [first, second] = site.workers;
  pods = [
    addPod(lab, first, 'pod-1', 11),
    addPod(lab, second, 'pod-2', 12),
    addPod(lab, second, 'pod-3', 13),
  ];
  for (const { host, name } of pods) {
    await serve(host, name, 8080);
    await serve(host, name, 8081);
  }
  box = createBox(lab, site);
  box.write('pool', POOL);
  await box.start();
});

test.after.always(() => lab?.remove());

test.afterEach.always(() => {
  for (const name of ['web', 'web6']) box.write(name, '');
});

type Fields = Parameters<typeof serviceManifest>[2];

/** Puts the Service in place and waits until all of its Pods answer. */
async function offer(of: readonly Pod[], fields: Partial<Fields> = {}): Promise<void> {
  const name = fields.address === VIP6 ? 'web6' : 'web';
  box.write(name, serviceManifest(name, of, { address: VIP, ...fields }));
  const host = fields.address ?? VIP;
  await until(`${of.length} Pods answer at ${host}`, async () => {
    const { answeredBy, failures } = await ask({ host, connections: 12 * of.length });
    return failures.length === 0 && Object.keys(answeredBy).length === of.length;
  });
}

function ask(job: Partial<TcpJob> = {}, from = site.client): Promise<TrafficResult> {
  return tcpFrom(from, { host: VIP, port: 80, connections: 60, parallel: 1, bytes: 100, ...job });
}

/** A connection that stays open for about so long. */
function hold(ms: number, job: Partial<TcpJob> = {}): Promise<TrafficResult> {
  const pieces = ms / 50;
  return ask({ connections: 1, bytes: pieces * 10, pieces, pauseMs: 50, ...job });
}

test.serial('round-robin takes Pods in turn, as often as their weights say', async (t) => {
  await offer(pods, {
    annotations: {
      'tidegate.io/scheduler': 'round-robin',
      'tidegate.io/weights': 'pod-1=2,worker-2=1',
      'tidegate.io/health-check': 'none',
    },
  });
  const { answeredBy } = await ask({ connections: 60 });
  t.deepEqual(answeredBy, { 'pod-1': 30, 'pod-2': 15, 'pod-3': 15 });
});

test.serial('least-connections fills the Pods that have fewer', async (t) => {
  const annotations = {
    'tidegate.io/scheduler': 'least-connections',
    'tidegate.io/health-check': 'none',
  };
  await offer([pods[0], pods[1]], { annotations });
  // The connections of `offer` are closing, and do not count.
  const held = hold(2000, { connections: 20, parallel: 20 });
  await sleep(600);
  box.write('web', serviceManifest('web', pods, { address: VIP, annotations }));
  await until('pod-3 answers', async () => 'pod-3' in (await ask({ connections: 3 })).answeredBy);
  const more = await hold(500, { connections: 6, parallel: 6 });
  t.deepEqual(more.answeredBy, { 'pod-3': 6 }, 'the others have ten each');
  const { answeredBy, failures } = await held;
  t.deepEqual({ answeredBy, failures }, { answeredBy: { 'pod-1': 10, 'pod-2': 10 }, failures: [] });
});

test.serial('source-hash keeps a client with one Pod, whatever its port', async (t) => {
  await box.write(
    'web',
    serviceManifest('web', pods, {
      address: VIP,
      annotations: { 'tidegate.io/scheduler': 'source-hash' },
    }),
  );
  await until('the Service answers', async () => (await ask({ connections: 1 })).good === 1);
  await sleep(500); // every Pod has been checked by now
  const answers = await ask({ connections: 30 });
  t.is(Object.keys(answers.answeredBy).length, 1);
});

for (const [vip, near, far] of [
  [VIP, '203.0.113.10', '203.0.113.11'],
  [VIP6, '2001:db8:c::10', '2001:db8:c::11'],
] as const) {
  test.serial(
    `loadBalancerSourceRanges of ${vip} hold for new and established flows`,
    async (t) => {
      await offer([pods[0], pods[1]], { address: vip });
      const kept = hold(3000, { host: vip, from: near });
      const ended = hold(3000, { host: vip, from: far });
      await sleep(500);
      const bits = vip === VIP ? 32 : 128;
      const spec = `  loadBalancerSourceRanges: ["${near}/${bits}", "198.51.100.0/24"]`;
      const name = vip === VIP ? 'web' : 'web6';
      box.write(name, serviceManifest(name, [pods[0], pods[1]], { address: vip, spec }));
      const refused = await ended;
      t.is(refused.good, 0);
      t.regex(refused.failures[0] ?? '', /ECONNRESET/, 'said, not left to time out');
      t.deepEqual((await kept).failures, []);
      const few = { host: vip, connections: 5 };
      t.is((await ask({ ...few, from: near })).good, 5);
      const status = await box.ask('explain', 'service', `default/${name}`);
      t.regex(status.stdout, /source ranges/i);
    },
  );
}

test.serial('ClientIP affinity holds for all ports, over more Pods and a kill -9', async (t) => {
  const ports = [
    { port: 80, targetPort: 8080 },
    { port: 81, targetPort: 8081 },
  ];
  const fields = { address: VIP, ports, spec: '  sessionAffinity: ClientIP' };
  box.write('web', serviceManifest('web', [pods[0], pods[1]], fields));
  await until(
    'the Service answers',
    async () => (await ask({ connections: 1, port: 81 })).good === 1,
  );
  await sleep(500);
  const whom = async (from: string) => {
    const answers = await Promise.all([80, 81].map((port) => ask({ port, from, connections: 6 })));
    const names = new Set(answers.flatMap(({ answeredBy }) => Object.keys(answeredBy)));
    t.is(names.size, 1, `${from} meets ${[...names].join(' and ')}`);
    return [...names][0];
  };
  const clients = ['203.0.113.10', '203.0.113.11', '203.0.113.12', '203.0.113.13'];
  const before = await Promise.all(clients.map(whom));
  box.write('web', serviceManifest('web', pods, fields));
  await box.stop('SIGKILL');
  await box.start();
  await sleep(500);
  t.deepEqual(await Promise.all(clients.map(whom)), before);
});

/** Connections that the client has open. */
function connectionsTo(address: string): number {
  const words = ['ss', '-Htn', 'state', 'established', 'dst', address];
  return site.client.run(words).split('\n').filter(Boolean).length;
}

for (const [choice, outcome] of [
  ['reset', /ECONNRESET/],
  ['leave', /^$/],
] as const) {
  test.serial(`a connection to a Pod whose checks fail: ${choice}`, async (t) => {
    await offer([pods[0], pods[1]], { annotations: { 'tidegate.io/dead-backend': choice } });
    const held = hold(4000, { connections: 8, parallel: 8 });
    await until('all are connected', async () => connectionsTo(VIP) === 8);
    pods[0].host.run(['nft', '-f', '-'], REFUSE);
    const { answeredBy, failures } = await held;
    pods[0].host.run(['nft', 'delete', 'table', 'inet', 'refuse']);
    t.true((answeredBy['pod-2'] ?? 0) > 0, 'those of the other Pod go on in either case');
    t.regex([...new Set(failures)].join(), outcome);
    t.is(failures.length > 0, choice === 'reset');
  });
}

test.serial(
  'Pods and nodes reach the VIP as clients, also when it leads back to them',
  async (t) => {
    for (const address of [VIP, VIP6]) {
      await offer([pods[0], pods[1]], { address });
      for (const host of [pods[0].host, site.workers[0].host, pods[2].host]) {
        const { answeredBy, failures } = await ask({ host: address, connections: 40 }, host);
        t.deepEqual(failures, []);
        t.deepEqual(
          Object.keys(answeredBy).sort(),
          ['pod-1', 'pod-2'],
          `${host.name} to ${address}`,
        );
      }
    }
  },
);

test.serial('a Pod that joins others begins slowly, where the Service asks for that', async (t) => {
  const annotations = { 'tidegate.io/slow-start': '60s' };
  const write = (of: readonly Pod[], fields: Partial<Fields>) =>
    box.write('web', serviceManifest('web', of, { address: VIP, ...fields }));
  await offer([pods[0]], { annotations });
  write([pods[0], pods[1]], { annotations });
  const explained = async () => (await box.ask('explain', 'service', 'default/web')).stdout;
  await until('the ramp is said', async () => /takes 1\d % of its share/.test(await explained()));
  const slow = await ask({ connections: 200, parallel: 20 });
  t.true((slow.answeredBy['pod-2'] ?? 0) < 60, JSON.stringify(slow.answeredBy));
  write([pods[0], pods[1]], {});
  await until('both have their share', async () => {
    const { answeredBy } = await ask({ connections: 200, parallel: 20 });
    return (answeredBy['pod-2'] ?? 0) > 70;
  });
});

test.serial('a client beyond its limit waits, and the reason is counted', async (t) => {
  const annotations = { 'tidegate.io/client-new-flows-per-second': '20' };
  await offer([pods[0]]);
  box.write('web', serviceManifest('web', [pods[0]], { address: VIP, annotations }));
  await until('a burst is limited', async () => {
    const { good } = await ask({ connections: 60, parallel: 60, bytes: 10 });
    t.is(good, 60, 'TCP asks again');
    return (await box.ask('status')).stdout.includes('client_limit');
  });
  const limited = async () => /client_limit +(\d+)/.exec((await box.ask('status')).stdout)?.[1];
  const before = await limited();
  t.is((await ask({ connections: 5, from: '203.0.113.11', bytes: 10 })).good, 5);
  t.is(await limited(), before, 'another client has a limit of its own');
});
