import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { findAssets } from '../../lab/kubernetes/assets.ts';
import { isForeignWrite } from '../../lab/kubernetes/audit-log.ts';
import { type Legacy, leaveMetallb } from './metallb/metallb-legacy.ts';
import { L2_STATUSES, SERVICES, untilCondition } from './pair/cluster-view.ts';
import { BOXES, vipOf } from './pair/edge-pair.ts';
import { answers } from './pair/load.ts';
import { buildTwoBoxes, type TwoBoxes, until } from './pair/two-boxes.ts';

/** docs/migrate-from-metallb.md, step by step, with the commands that stand there. */
const GUIDE = readFileSync(new URL('../../docs/migrate-from-metallb.md', import.meta.url), 'utf8');
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

let site: TwoBoxes;
let before: ReadonlyMap<string, readonly string[]>;

test.before(async () => {
  site = await buildTwoBoxes({ audit: 'RequestResponse' });
  await leaveMetallb(site.plane, legacies());
  before = await addresses();
});

test.after.always(() => site?.remove());

function legacies(): Legacy[] {
  const v4 = site.pods.map(({ addresses }) => addresses[0]);
  const v6 = site.pods.map(({ addresses }) => addresses[1]);
  const base = { pool: 'public', pods: v4 };
  const shared = (port: number) => ({
    annotations: { 'metallb.universe.tf/allow-shared-ip': 'key' },
    spec: { ports: [{ port, targetPort: 8080, protocol: 'TCP' }] },
  });
  const dual = { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] };
  return [
    // Not what an allocator would give first.
    { ...base, name: 'plain', addresses: ['192.0.2.137'] },
    { ...base, name: 'asked', addresses: [vipOf('edge-2', 4)], annotations: old('edge-2') },
    {
      ...base,
      name: 'dual',
      addresses: ['2001:db8:f::121', '192.0.2.121'],
      spec: dual,
      pods: [...v4, ...v6],
    },
    {
      ...base,
      name: 'six',
      addresses: [vipOf('edge-1', 6)],
      spec: { ipFamilies: ['IPv6'] },
      pods: v6,
    },
    { ...base, name: 'shared-1', addresses: ['192.0.2.140'], ...shared(80) },
    { ...base, name: 'shared-2', addresses: ['192.0.2.140'], ...shared(81) },
    {
      ...base,
      name: 'special',
      pool: 'special',
      addresses: ['192.0.2.163'],
      annotations: { 'metallb.io/address-pool': 'special' },
    },
    // By a pool that now gives only to who asks.
    { ...base, name: 'by-chance', pool: 'special', addresses: ['192.0.2.164'] },
  ];
}

const old = (box: 'edge-2') => ({ 'metallb.universe.tf/loadBalancerIPs': vipOf(box, 4) });

/** Addresses by Service, in their order. */
async function addresses(): Promise<ReadonlyMap<string, readonly string[]>> {
  const { items } = await site.plane.must('GET', SERVICES);
  return new Map(
    // biome-ignore lint/suspicious/noExplicitAny: an object as the server sent it
    items.map(({ metadata, status }: any) => [
      metadata.name,
      (status?.loadBalancer?.ingress ?? []).map(({ ip }: { ip: string }) => ip),
    ]),
  );
}

/** The shell commands of the guide in the section with this heading. */
function commandsOf(heading: RegExp): string {
  const start = GUIDE.search(heading);
  if (start < 0) throw new Error(`The guide has no ${heading}`);
  const [, commands] = /```sh\n(.*?)```/s.exec(GUIDE.slice(start)) ?? [];
  return commands ?? '';
}

/** Runs them as an administrator, in a folder of their own. */
async function follow(heading: RegExp): Promise<string> {
  const { kubectl } = await findAssets();
  const folder = `${site.plane.folder}/administrator`;
  mkdirSync(`${folder}/bin`, { recursive: true });
  const program = (name: string, path: string) =>
    writeFileSync(`${folder}/bin/${name}`, `#!/bin/sh\nexec ${path} "$@"\n`, { mode: 0o755 });
  program('kubectl', kubectl);
  program('tidegate', `${ROOT}/bin/tidegate`);
  const { stdout } = await promisify(execFile)('sh', ['-euc', commandsOf(heading)], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${folder}/bin:${process.env['PATH']}`,
      KUBECONFIG: site.plane.kubeconfig,
      HOME: folder,
    },
  });
  return stdout;
}

test.serial('what MetalLB left can be saved, and read by Tidegate', async (t) => {
  await follow(/\*\*1\. /);
  const said = await follow(/\*\*3\. /);
  t.is(said, 'No problem found.\n');
});

test.serial('Tidegate takes over with every address as it was', async (t) => {
  const { plane, boxes, client } = site;
  await follow(/\*\*4\. /);
  t.deepEqual((await plane.must('GET', L2_STATUSES)).items, []);
  await Promise.all(BOXES.map((name) => boxes[name].start()));
  for (const { name } of legacies()) {
    await untilCondition(plane, name, 'tidegate.io/Allocated', 'True');
    await untilCondition(plane, name, 'tidegate.io/Announced', 'True');
  }
  t.deepEqual(await addresses(), before);
  for (const vip of ['192.0.2.137', '192.0.2.140', '192.0.2.163', vipOf('edge-1', 6)])
    t.regex(await until(`${vip} answers`, () => answers(client, vip)), /^pod-/);
  // Nobody wrote an address, so none can have been away for a moment either.
  const writes = await plane.audit(
    (event) => isForeignWrite(event) && event.resource === 'services',
  );
  t.true(writes.length > 0);
  const bodies = writes.map(({ requestObject }) => JSON.stringify(requestObject));
  t.deepEqual(
    bodies.filter((body) => body.includes('ingress')),
    [],
  );
  const shown = await plane.kubectl([
    'get',
    'ipaddresspools',
    '-n',
    'metallb-system',
    '-o',
    'yaml',
  ]);
  t.regex(shown, /assignedIPv4: 4/);
});

test.serial('on the way back nothing of Tidegate holds Services up', async (t) => {
  const { plane, boxes } = site;
  await Promise.all(BOXES.map((name) => boxes[name].stop('SIGTERM')));
  await follow(/passes over Tidegate's conditions/);
  const { items } = await plane.must('GET', SERVICES);
  for (const { metadata } of items) t.is(metadata.finalizers, undefined, metadata.name);
  t.deepEqual(await addresses(), before);
});
