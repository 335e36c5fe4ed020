import { familyOf, isLinkLocal, parseAddress } from '../../domain/address.ts';
import type { BgpPeer, BgpRemote } from '../../domain/bgp/bgp-peer.ts';
import {
  ownAnnotation,
  warnOfUnknownAnnotations,
  wholeNumber,
  yesOrNo,
} from './bgp-annotations.ts';
import { readPassword } from './bgp-password.ts';
import { readTimers } from './bgp-timers.ts';
import {
  child,
  type Decoded,
  decode,
  type Field,
  fail,
  flag,
  integer,
  isAbsent,
  type Locate,
  oneOf,
  optionalText,
  parsed,
  quote,
  section,
} from './field.ts';
import { isSubdomain, readMeta } from './meta.ts';
import { readSelectors } from './selector.ts';

const MAX_ASN = 0xffff_ffff;
const PORT = 179;
/** MetalLB's, below the ports that a kernel gives to connections. */
const MAX_PORT = 16_384;
const MAX_HOPS = 254;

const PASSIVE = 'tidegate.io/passive';
const TTL_SECURITY = 'tidegate.io/ttl-security';
const BFD_PASSWORD = 'tidegate.io/bfd-password';

/** Reads a metallb.io/v1beta2 BGPPeer; refuses what MetalLB's admission refuses. Never quotes a password. */
export function decodeBgpPeer(value: unknown, locate?: Locate): Decoded<BgpPeer> {
  return decode(value, locate, (root) => {
    const meta = readMeta(root, { kind: 'BGPPeer', namespaced: true, name: 'subdomain' });
    const spec = section(root, 'spec');
    const remote = readRemote(spec);
    const myAsn = readMyAsn(child(spec, 'myASN'));
    const peerAsn = readPeerAsn(spec);
    // MetalLB has it without effect; what it would not take, neither do we.
    flag(child(spec, 'disableMP'), false);
    warnOfUnknownAnnotations(root, [PASSIVE, TTL_SECURITY, BFD_PASSWORD]);
    return {
      ...meta,
      myAsn,
      localAsn: integer(child(spec, 'localASN'), 1, MAX_ASN, undefined),
      peerAsn,
      remote,
      sourceAddress: readSource(child(spec, 'sourceAddress'), remote),
      port: integer(child(spec, 'peerPort'), 1, MAX_PORT, PORT),
      routerId: readRouterId(child(spec, 'routerID')),
      ...readTimers(spec),
      multihop: readMultihop(child(spec, 'ebgpMultiHop'), myAsn, peerAsn),
      vrf: optionalText(child(spec, 'vrf')),
      nodeSelectors: readSelectors(child(spec, 'nodeSelectors')),
      password: readPassword(root, spec, meta.namespace),
      bfdProfile: optionalText(child(spec, 'bfdProfile')),
      gracefulRestart: flag(child(spec, 'enableGracefulRestart'), false),
      bothFamilies: flag(child(spec, 'dualStackAddressFamily'), false),
      passive: yesOrNo(ownAnnotation(root, PASSIVE)),
      ttlSecurityHops: wholeNumber(ownAnnotation(root, TTL_SECURITY), 1, MAX_HOPS),
      bfdPasswordSecret: readBfdPassword(root),
    };
  });
}

function readMyAsn(field: Field): number {
  if (isAbsent(field)) fail(field, 'The peer has no AS of this side', 'Write a number, as 64500');
  return integer(field, 1, MAX_ASN, 0);
}

function readPeerAsn(spec: Field): BgpPeer['peerAsn'] {
  const asnField = child(spec, 'peerASN');
  const dynamicField = child(spec, 'dynamicASN');
  const asn = integer(asnField, 0, MAX_ASN, 0);
  const dynamic = optionalText(dynamicField);
  if (asn !== 0 && dynamic !== undefined)
    fail(dynamicField, 'Both peerASN and dynamicASN are set', 'Remove one of the two');
  if (asn !== 0) return asn;
  if (dynamic === undefined)
    fail(asnField, 'The peer has no AS', 'Write peerASN, or dynamicASN: external or internal');
  return oneOf(dynamicField, ['internal', 'external'] as const, 'external');
}

function readRemote(spec: Field): BgpRemote {
  const addressField = child(spec, 'peerAddress');
  const interfaceField = child(spec, 'interface');
  const written = optionalText(addressField);
  const name = optionalText(interfaceField);
  if (written !== undefined && name !== undefined)
    fail(interfaceField, 'Both peerAddress and interface are set', 'Remove one of the two');
  if (name !== undefined) return { kind: 'interface', name };
  if (written === undefined) {
    const remedy = 'Write peerAddress, or interface for whoever is found there';
    fail(addressField, 'The peer has neither address nor interface', remedy);
  } else {
    const remedy = 'Write for example 192.0.2.1 or 2001:db8::1';
    const address = parsed(addressField, parseAddress, 'an IP address', remedy);
    if (address !== undefined && isLinkLocal(address)) {
      const message = `${quote(written)} is of one link only, and does not say which`;
      fail(addressField, message, 'Write interface in place of peerAddress');
    }
    if (address !== undefined) return { kind: 'address', address };
  }
  return { kind: 'interface', name: '' };
}

function readSource(field: Field, remote: BgpRemote): BgpPeer['sourceAddress'] {
  if (optionalText(field) === undefined) return undefined;
  const address = parsed(field, parseAddress, 'an IP address', 'Write an address of the boxes');
  if (address === undefined || remote.kind === 'interface') return address;
  if (familyOf(address) !== familyOf(remote.address)) {
    const message = `${quote(field.value)} is of another family than peerAddress`;
    fail(field, message, 'Write two IPv4 or two IPv6 addresses');
  }
  return address;
}

function readRouterId(field: Field): number | undefined {
  if (optionalText(field) === undefined) return undefined;
  const id = parsed(
    field,
    parseRouterId,
    'a router ID',
    'Write it as an IPv4 address, as 192.0.2.1',
  );
  return id;
}

/** RFC 6286: any 32-bit number but 0. */
function parseRouterId(text: string): number | undefined {
  const address = parseAddress(text);
  if (address === undefined || familyOf(address) !== 4) return undefined;
  return Number(address & 0xffff_ffffn) || undefined;
}

function readMultihop(field: Field, myAsn: number, peerAsn: BgpPeer['peerAsn']): boolean {
  const multihop = flag(field, false);
  if (multihop && myAsn === peerAsn)
    fail(field, 'The peer is of the same AS', 'Remove it: such peers may be routers away anyhow');
  return multihop;
}

function readBfdPassword(root: Field): string | undefined {
  const said = ownAnnotation(root, BFD_PASSWORD);
  if (said === undefined || said.text === '') return undefined;
  if (!isSubdomain(said.text))
    fail(said.field, `${quote(said.text)} is not the name of a Secret`, 'Name the Secret');
  return said.text;
}
