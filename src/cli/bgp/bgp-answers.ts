import type { Vip } from '../../admin/api.ts';
import type {
  BfdSessionList,
  BgpRoute,
  BgpSessionList,
  ReceivedRoute,
} from '../../admin/api-bgp.ts';
import { type Answer, askAll, askAllPages } from '../admin-client.ts';

/** What the speaker says of BGP, by the word that asks for it. */
export function readSessions(
  runDir: string,
  instances: readonly string[],
  peer: string | undefined,
) {
  return askAll<BgpSessionList>(runDir, instances, `/v1/bgp/sessions${query(peer)}`);
}

export interface ToldRoutes {
  readonly routes: readonly BgpRoute[];
  /** Addresses that are not announced by BGP. */
  readonly withheld: readonly Vip[];
}

export async function readRoutes(
  runDir: string,
  instances: readonly string[],
  peer: string | undefined,
): Promise<Answer<ToldRoutes>[]> {
  const [routes, vips] = await Promise.all([
    askAllPages<BgpRoute>(runDir, instances, `/v1/bgp/routes${query(peer)}`),
    askAllPages<Vip>(runDir, instances, '/v1/vips'),
  ]);
  return routes.map((answer) => {
    if (!answer.ok) return answer;
    const own = vips.find(({ instance }) => instance === answer.instance);
    const all = own?.ok ? own.value : [];
    const withheld = all.filter(({ announcement }) => announcement?.bgp?.reason);
    return { ...answer, value: { routes: answer.value, withheld } };
  });
}

export function readReceived(
  runDir: string,
  instances: readonly string[],
  peer: string | undefined,
) {
  return askAllPages<ReceivedRoute>(runDir, instances, `/v1/bgp/received${query(peer)}`);
}

export function readBfd(runDir: string, instances: readonly string[], peer: string | undefined) {
  return askAll<BfdSessionList>(runDir, instances, `/v1/bfd/sessions${query(peer)}`);
}

function query(peer: string | undefined): string {
  return peer === undefined ? '' : `?peer=${encodeURIComponent(peer)}`;
}
