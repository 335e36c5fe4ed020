import { type Community, parseCommunity } from '../../domain/bgp/bgp-community.ts';
import type { CommunityNames } from '../../domain/bgp/community-names.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  items,
  type Locate,
  parsed,
  quote,
  section,
  text,
} from './field.ts';
import { readMeta } from './meta.ts';

const MAX_COMMUNITIES = 1024;

/** Reads a metallb.io/v1beta1 Community; refuses what MetalLB's admission refuses. */
export function decodeCommunity(value: unknown, locate?: Locate): Decoded<CommunityNames> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'Community', namespaced: true, name: 'subdomain' });
    const communities = new Map<string, Community>();
    for (const item of items(child(section(root, 'spec'), 'communities'), MAX_COMMUNITIES))
      readEntry(item, communities);
    return { ...meta, communities };
  });
}

function readEntry(item: Field, communities: Map<string, Community>) {
  const nameField = child(item, 'name');
  const name = text(nameField, '');
  const remedy = 'Write for example 64500:1 or large:64500:1:2';
  const value = parsed(child(item, 'value'), parseCommunity, 'a community', remedy);
  if (communities.has(name))
    fail(nameField, `Community ${quote(name)} stands here twice`, 'Rename one');
  if (value !== undefined) communities.set(name, value);
}
