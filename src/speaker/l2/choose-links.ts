import { ARPHRD_ETHER, type Link } from '../../protocol/rtnetlink/link.ts';

/**
 * Which interfaces announce. Candidates are Ethernet interfaces that are up with a carrier and
 * resolve addresses by ARP; one that belongs to a bridge or bond is not, since its frames arrive at
 * the master (a VRF takes nothing away from its members).
 */
export function chooseLinks(links: readonly Link[], patterns: readonly string[]): Link[] {
  const wanted = patterns.map(patternOf);
  const byIndex = new Map(links.map((link) => [link.ifindex, link]));
  return links.filter(
    (link) =>
      link.isUp &&
      link.isRunning &&
      !link.isLoopback &&
      link.usesArp &&
      link.hardwareType === ARPHRD_ETHER &&
      link.mac !== undefined &&
      (link.master === 0 || byIndex.get(link.master)?.kind === 'vrf') &&
      (wanted.length === 0 || wanted.some((pattern) => pattern.test(link.name))),
  );
}

/** Patterns that no interface has a name for: misspelt, or not there yet. */
export function unmatchedPatterns(links: readonly Link[], patterns: readonly string[]): string[] {
  return patterns.filter((text) => {
    const pattern = patternOf(text);
    return !links.some(({ name }) => pattern.test(name));
  });
}

/** `*` stands for any characters, `?` for one; all others for themselves. */
function patternOf(text: string): RegExp {
  const escaped = text.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
