import { existsSync } from 'node:fs';

/** A program that a measurement needs, and the Debian package that has it. */
export interface DebianNeed {
  readonly package: string;
  /** A command, or the path of a file. */
  readonly has: string;
}

export const NFTABLES: DebianNeed = { package: 'nftables', has: 'nft' };
export const HAPROXY: DebianNeed = { package: 'haproxy', has: 'haproxy' };
export const NGINX: DebianNeed = { package: 'nginx-light', has: 'nginx' };
export const NGINX_STREAM: DebianNeed = {
  package: 'libnginx-mod-stream',
  has: '/usr/lib/nginx/modules/ngx_stream_module.so',
};
export const BIRD: DebianNeed = { package: 'bird2', has: 'bird' };
export const FRR: DebianNeed = { package: 'frr', has: '/usr/lib/frr/bgpd' };
export const GOBGP: DebianNeed = { package: 'gobgpd', has: 'gobgpd' };
export const WRK: DebianNeed = { package: 'wrk', has: 'wrk' };

/** Debian's own folders: `node_modules/.bin` has an `nft` that is another program. */
const FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** What is not there. */
export function missing(needs: readonly DebianNeed[]): readonly DebianNeed[] {
  return needs.filter(
    ({ has }) => !existsSync(has) && !FOLDERS.some((folder) => existsSync(`${folder}/${has}`)),
  );
}

/** How to get it. */
export function remedy(needs: readonly DebianNeed[]): string {
  const packages = needs.map((need) => need.package).join(' ');
  return `install it with: apt-get install --no-install-recommends ${packages}`;
}
