import type { Pod, Worker } from '../lab/edge-site.ts';

/**
 * Plays kube-proxy on a node, in its nftables style: packets to the NodePort go to a Pod chosen at
 * random, and leave with the node's own address, so that answers come back this way.
 */
export function serveNodePort(
  worker: Worker,
  nodePort: number,
  pods: readonly Pod[],
  podPort: number,
): void {
  const to = (family: 0 | 1) => {
    const choices = pods.map((pod, index) => `${index} : ${pod.addresses[family]}`);
    return `numgen random mod ${pods.length} map { ${choices.join(', ')} }:${podPort}`;
  };
  const rules = `
    table inet kube-proxy {
      chain nodeports {
        type nat hook prerouting priority dstnat
        meta nfproto ipv4 tcp dport ${nodePort} dnat ip to ${to(0)}
        meta nfproto ipv6 tcp dport ${nodePort} dnat ip6 to ${to(1)}
      }
      chain outgoing {
        type nat hook postrouting priority srcnat
        ct status dnat masquerade
      }
    }`;
  worker.host.run(['nft', '-f', '-'], rules);
}
