import type { NetworkConfig } from '../../system/network-config.ts';
import { LOCAL_CLIENTS_TABLE, localClientsRule } from './local-clients.ts';
import { LOCAL_INTERFACE } from './local-interfaces.ts';

/** Takes away the interfaces of the box's own clients, with their routes, and the rules. */
export async function removeLocalClients(openConfig: () => NetworkConfig): Promise<void> {
  const config = openConfig();
  try {
    const links = await config.links();
    const near = links.find(({ name, kind }) => name === LOCAL_INTERFACE && kind === 'veth');
    if (near) await config.removeLink(near.ifindex);
    for (const family of [4, 6] as const) {
      const ours = localClientsRule(family);
      const rules = await config.rules(family);
      const left = rules.filter(
        ({ table, priority }) => table === LOCAL_CLIENTS_TABLE && priority === ours.priority,
      );
      for (const rule of left) await config.removeRule(rule);
    }
  } finally {
    config.close();
  }
}
