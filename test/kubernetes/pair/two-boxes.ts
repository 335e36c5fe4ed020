import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { AuditLevel } from '../../../lab/kubernetes/api-server.ts';
import { findAssets } from '../../../lab/kubernetes/assets.ts';
import { type ControlPlane, startControlPlane } from '../../../lab/kubernetes/control-plane.ts';
import { type FaultProxy, startFaultProxy } from '../../../lab/kubernetes/fault-proxy.ts';
import { createLab, type Lab } from '../../../lab/lab.ts';
import { serve } from '../../netns/box.ts';
import { BOXES, type BoxName, buildEdgePair, type EdgePair } from './edge-pair.ts';
import { createPairBox, type PairBox } from './pair-box.ts';
import { type Wire, watchWire } from './wire.ts';

const DEPLOY = fileURLToPath(new URL('../../../config/deploy/', import.meta.url));
const BOX_KUBECONFIG = fileURLToPath(new URL('../../../scripts/box-kubeconfig', import.meta.url));
const POLL_MS = 50;
const WAIT_MS = 20_000;

/** Two boxes with Tidegate as docs/install.md sets them up, and what is around them. */
export interface TwoBoxes extends EdgePair {
  readonly lab: Lab;
  readonly plane: ControlPlane;
  /** Between the boxes and the API server. */
  readonly proxy: FaultProxy;
  readonly boxes: Readonly<Record<BoxName, PairBox>>;
  readonly wire: Wire;
  remove(): Promise<void>;
}

export interface TwoBoxesOptions {
  /** More lines of tidegate.yaml. */
  readonly settings?: string;
  /** How much the API server writes down of each request. */
  readonly audit?: AuditLevel;
}

/** Nothing runs on the boxes yet; each of the Pods says its name on port 8080, TCP and UDP. */
export async function buildTwoBoxes(options: TwoBoxesOptions = {}): Promise<TwoBoxes> {
  const { settings = '', audit = 'Metadata' } = options;
  const lab = createLab();
  const [plane, pair] = await Promise.all([startControlPlane({ audit }), buildEdgePair(lab)]);
  const [proxy, wire] = await Promise.all([
    startFaultProxy(plane),
    watchWire(pair.router),
    ...pair.pods.map(({ host, name }) => serve(host, name, 8080)),
    installInto(plane),
  ]);
  const { kubectl } = await findAssets();
  const made = await Promise.all(
    BOXES.map(async (name) => {
      // As step 3 of docs/install.md says.
      await promisify(execFile)(BOX_KUBECONFIG, [name], {
        cwd: plane.folder,
        env: { ...process.env, KUBECTL: kubectl, KUBECONFIG: proxy.kubeconfig, HOME: plane.folder },
      });
      const kubernetes = `${plane.folder}/${name}`;
      const { directory, bpffs } = lab;
      const place = { name, host: pair.edges[name], directory, bpffs };
      return createPairBox({ ...place, kubernetes, server: proxy.url, settings });
    }),
  );
  const [first, second] = made as [PairBox, PairBox];
  return {
    ...pair,
    lab,
    plane,
    proxy,
    wire,
    boxes: { 'edge-1': first, 'edge-2': second },
    async remove() {
      lab.remove();
      await proxy.stop();
      await plane.stop();
    },
  };
}

/** As step 1 of docs/install.md says. */
async function installInto(plane: ControlPlane): Promise<void> {
  for (const part of ['metallb-kinds', 'overlays/edge-boxes'])
    await plane.kubectl(['apply', '--server-side', '-k', `${DEPLOY}${part}`]);
}

/** Looks until it finds something else than `undefined`; throws when there is none in time. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  waitMs = WAIT_MS,
): Promise<T> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadlineMs) throw new Error(`Not within ${waitMs / 1000} s: ${what}`);
    await sleep(POLL_MS);
  }
}
