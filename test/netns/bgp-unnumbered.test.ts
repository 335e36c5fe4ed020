import test from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';
import type { Router } from '../../lab/routers/router.ts';
import { startRouter } from '../../lab/routers/start-router.ts';
import type { BgpSession } from '../../src/admin/api-bgp.ts';
import { type BgpBox, createBgpBox } from './bgp-box.ts';
import {
  addressedService,
  advertisementManifest,
  BOX_ASN,
  peerManifest,
  poolManifest,
  together,
} from './bgp-manifests.ts';
import { until } from './box.ts';

/**
 * A cable without any address but the link-local ones: the box and FRR find each other by router
 * advertisements, and IPv4 goes by an IPv6 next hop. BIRD 2 looks for nobody, and GoBGP does not say where
 * it is.
 */
const VIPS = ['198.51.100.1', '2001:db8:100::1'];
const PREFIXES = ['198.51.100.1/32', '2001:db8:100::1/128'];
const ASN = 65001;

let lab: Lab;
let box: BgpBox;
let frr: Router;

test.before(async () => {
  lab = createLab();
  const [host, router] = [lab.host('box'), lab.host('frr', 'forwards')];
  lab.cable({ host, name: 'uplink' }, { host: router, name: 'eth0' });
  box = await createBgpBox(lab, host, 'bgp: { routerId: 10.255.0.1 }');
  const spec = { interface: 'uplink', dynamicASN: 'external', holdTime: '3s' };
  box.write('peer', peerManifest('frr', { spec }));
  box.write(
    'services',
    together(
      poolManifest('public', ['198.51.100.0/28', '2001:db8:100::/124']),
      advertisementManifest('public', { spec: {} }),
      addressedService('web', VIPS),
    ),
  );
  await box.serve({ web: VIPS });
  const options = {
    asn: ASN,
    routerId: '10.255.0.2',
    neighbours: [{ interface: 'eth0', asn: BOX_ASN, extendedNextHop: true }],
    installs: true,
  };
  [frr] = await Promise.all([startRouter('frr', lab, router, options), box.start()]);
});

let failed = false;

test.afterEach.always((t) => {
  failed ||= !t.passed;
});

test.after.always(async (t) => {
  await box?.close();
  if (failed && box) t.log(box.output(), frr?.log());
  lab?.remove();
});

test.serial(
  'FRR and the box find each other, and IPv4 goes by the link-local address',
  async (t) => {
    await until('both prefixes', async () => {
      const prefixes = (await frr.routes()).map(({ prefix }) => prefix);
      return PREFIXES.every((each) => prefixes.includes(each));
    });
    for (const { asPath, nextHops } of await frr.routes()) {
      t.deepEqual(asPath, [BOX_ASN]);
      t.true(
        nextHops.every((hop) => hop.startsWith('fe80:')),
        nextHops.join(),
      );
    }
    const { items } = await box.get<{ items: readonly BgpSession[] }>('/v1/bgp/sessions');
    t.is(items[0]?.interface, 'uplink');
    t.is(items[0]?.peerAsn, ASN);
    t.regex(items[0]?.remoteAddress ?? '', /^fe80:/);
  },
);

test.serial('FRR puts both into its kernel, by IPv6', async (t) => {
  const routes = () => frr.host.run(['ip', 'route', 'show', PREFIXES[0] as string]);
  await until('the route', async () => routes() !== '');
  t.regex(routes(), /via inet6 fe80:\S+ dev eth0/);
});

test.serial('who is no longer there is no longer spoken to, and is found again', async (t) => {
  const session = async () => {
    const { items } = await box.get<{ items: readonly BgpSession[] }>('/v1/bgp/sessions');
    return items[0] as BgpSession;
  };
  frr.host.ip('link set eth0 down');
  await until('the session is over', async () => (await session()).state !== 'Established');
  frr.host.ip('link set eth0 up');
  await until('the session is back', async () => (await session()).state === 'Established');
  t.is((await session()).established, 2);
});
