import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { type ControlPlane, startControlPlane } from '../../lab/kubernetes/control-plane.ts';
import { boxState } from './boxes.ts';
import { startTestController, type TestController } from './controllers.ts';
import { type RealBox, startRealBox } from './real-box.ts';

/** What MetalLB's own end-to-end tests (configurationstatetests) expect of ConfigurationStates. */
const DEPLOY = fileURLToPath(new URL('../../config/deploy/', import.meta.url));
const FOLDER = '/apis/metallb.io/v1beta1/namespaces/metallb-system';
const STATES = `${FOLDER}/configurationstates`;
const PEERS = '/apis/metallb.io/v1beta2/namespaces/metallb-system/bgppeers';
const SECRET = '/api/v1/namespaces/metallb-system/secrets/tidegate-bgp-password';
const WAIT_MS = 20_000;
const SPEAKER = {
  serviceAccount: { namespace: 'tidegate-system', name: 'tidegate-speaker' },
} as const;
const PEER = { myASN: 64_512, peerASN: 64_513, peerAddress: '192.168.100.3' };
const BOXES = ['edge-1', 'edge-2'];

let plane: ControlPlane;
let controller: TestController;
let boxes: readonly RealBox[] = [];

test.before(async () => {
  plane = await startControlPlane();
  for (const base of ['metallb-kinds', 'overlays/edge-boxes'])
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${base}`]);
  controller = await startTestController(plane, 'controller-1');
  const kubeconfig = await plane.kubeconfigFor(SPEAKER);
  boxes = await Promise.all(BOXES.map((name) => startRealBox(plane, name, kubeconfig)));
  for (const [index, { publisher }] of boxes.entries())
    publisher.publish(boxState(BOXES[index] ?? ''));
});

test.after.always(async () => {
  await Promise.all(boxes.map((box) => box.end()));
  await controller?.stop();
  await plane?.stop();
});

const metadataOf = (name: string) => ({ name, namespace: 'metallb-system' });

async function applyPeer(name: string, spec: object) {
  const metadata = metadataOf(name);
  const kind = 'BGPPeer';
  await plane.apply({ apiVersion: 'metallb.io/v1beta2', kind, metadata, spec });
}

async function applyOther(kind: string, name: string, spec: object) {
  const metadata = metadataOf(name);
  await plane.apply({ apiVersion: 'metallb.io/v1beta1', kind, metadata, spec });
}

async function applySecret(type: string) {
  const metadata = metadataOf('tidegate-bgp-password');
  const stringData = { password: 'correct horse' };
  await plane.apply({ apiVersion: 'v1', kind: 'Secret', metadata, type, stringData });
}

interface State {
  readonly metadata: { readonly name: string; readonly labels: object };
  readonly status?: { readonly result: string; readonly errorSummary: string };
}

/** Waits until these say what the patterns match, and all others are valid. */
async function says(expected: Readonly<Record<string, RegExp>>) {
  let found: readonly State[] = [];
  for (const end = Date.now() + WAIT_MS; Date.now() < end; await sleep(50)) {
    found = (await plane.must('GET', STATES)).items;
    const isSo = ({ metadata: { name }, status }: State) => {
      const pattern = expected[name];
      if (!pattern) return status?.result === 'Valid' && status.errorSummary === '';
      return status?.result === 'Invalid' && pattern.test(status.errorSummary);
    };
    if (found.length === 1 + BOXES.length && found.every(isSo)) return found;
  }
  const shown = found.map(({ metadata, status }) => [metadata.name, status]);
  throw new Error(`Not within ${WAIT_MS} ms: ${JSON.stringify(shown)}`);
}

const everySpeaker = (pattern: RegExp) =>
  Object.fromEntries(BOXES.map((name) => [`speaker-${name}`, pattern]));
const chosen = (box: string) => [{ matchLabels: { 'kubernetes.io/hostname': box } }];

test.serial('every box and the controller say that nothing is wrong', async (t) => {
  const states = await says({});
  t.deepEqual(
    states.map(({ metadata: { name, labels } }) => [name, labels]),
    [
      ['controller', { 'metallb.io/component-type': 'controller' }],
      ...BOXES.map((box) => [
        `speaker-${box}`,
        { 'metallb.io/component-type': 'speaker', 'metallb.io/node-name': box },
      ]),
    ],
  );
});

test.serial('a Secret of the wrong type concerns the box that needs it', async (t) => {
  await applySecret('Opaque');
  const passwordSecret = { name: 'tidegate-bgp-password' };
  await applyPeer('peer1', { ...PEER, passwordSecret, nodeSelectors: chosen('edge-1') });
  await says({ 'speaker-edge-1': /BGPPeer metallb-system\/peer1 .*is of type "Opaque"/ });
  // The type of a Secret cannot be changed.
  await plane.must('DELETE', SECRET);
  await says({ 'speaker-edge-1': /There is no Secret "metallb-system\/tidegate-bgp-password"/ });
  await applySecret('kubernetes.io/basic-auth');
  await says({});
  await plane.must('DELETE', `${PEERS}/peer1`);
  t.pass();
});

test.serial('a missing BFD profile concerns the boxes that the peer chooses', async (t) => {
  await applyPeer('bgp-bfd', {
    ...PEER,
    bfdProfile: 'my-profile',
    nodeSelectors: chosen('edge-2'),
  });
  await says({ 'speaker-edge-2': /There is no BFDProfile "my-profile"/ });
  await applyOther('BFDProfile', 'my-profile', {});
  await says({});
  await applyPeer('bgp-bfd', { ...PEER, bfdProfile: 'new-profile' });
  await says(everySpeaker(/There is no BFDProfile "new-profile"/));
  await applyPeer('bgp-bfd', PEER);
  await says({});
  t.pass();
});

test.serial(
  'a name of a community that nothing gives is missed until something does',
  async (t) => {
    const spec = { ipAddressPools: ['not-there'], communities: ['my-alias'] };
    await applyOther('BGPAdvertisement', 'advert', spec);
    await says(everySpeaker(/"my-alias" is no community/));
    const communities = [{ name: 'my-alias', value: '64512:100' }];
    await applyOther('Community', 'names', { communities });
    await says({});
    t.pass();
  },
);

test.serial('of several errors each is told until it is mended', async (t) => {
  await applyPeer('bgp-bfd', { ...PEER, bfdProfile: 'none' });
  const other = { ...PEER, peerAddress: '192.168.200.5' };
  await applyPeer('bgp-secret', { ...other, passwordSecret: { name: 'not-allowed' } });
  const both = /^(?=.*BFDProfile "none").*Secret metallb-system\/not-allowed: It cannot be read/s;
  await says(everySpeaker(both));
  await plane.must('DELETE', `${PEERS}/bgp-bfd`);
  await says(
    everySpeaker(
      /^(?!.*bgp-bfd).*Secret "metallb-system\/not-allowed" cannot be used. Add not-allowed/s,
    ),
  );
  await plane.must('DELETE', `${PEERS}/bgp-secret`);
  await says({});
  t.pass();
});

test.serial('a label can bring two peers together that contradict one another', async (t) => {
  const choosing = (name: string) => ({ nodeSelectors: [{ matchLabels: { [name]: 'true' } }] });
  await plane.kubectl(['label', 'edge', 'edge-1', 'peer-a=true']);
  await plane.kubectl(['label', 'edge', 'edge-2', 'peer-b=true']);
  await applyPeer('conflict-1', { ...PEER, ...choosing('peer-a') });
  await applyPeer('conflict-2', { ...PEER, ...choosing('peer-b') });
  await says({});
  await plane.kubectl(['label', 'edge', 'edge-2', 'peer-a=true']);
  await says({ 'speaker-edge-2': /conflict-\d" speaks to "192\.168\.100\.3" already/ });
  await plane.kubectl(['label', 'edge', 'edge-2', 'peer-a-']);
  await says({});
  t.pass();
});
