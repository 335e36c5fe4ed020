import type { ExecPlugin } from './exec-plugin.ts';

/** Something that stands in a file, or in the kubeconfig itself. */
export type Material =
  | { readonly field: string; readonly file: string }
  | { readonly field: string; readonly bytes: Buffer };

/** How to reach one API server, and as whom; the files that are named have not been read. */
export interface Access {
  /** For messages: `Kubeconfig "/etc/tidegate/kubeconfig"`. */
  readonly origin: string;
  /** Scheme, host, port and perhaps a path; no slash at the end. */
  readonly server: string;
  readonly authority: Material | undefined;
  /** Name that the server's certificate must be for, when it is not the server's host. */
  readonly serverName: string | undefined;
  /** False: `insecure-skip-tls-verify`. */
  readonly verify: boolean;
  /** `proxy-url`. */
  readonly proxyUrl: string | undefined;
  readonly certificate: Material | undefined;
  readonly key: Material | undefined;
  readonly token: Material | undefined;
  readonly basic: { readonly username: string; readonly password: string } | undefined;
  /** `Impersonate-…` */
  readonly impersonation: Readonly<Record<string, string | string[]>>;
  readonly exec: ExecPlugin | undefined;
  /** The client's own kind of authentication; gives the `Authorization` header. */
  readonly provider: (() => Promise<string | undefined>) | undefined;
}

/** Files whose change changes what the access means. */
export function filesOf(access: Access): string[] {
  const { authority, certificate, key, token } = access;
  return [authority, certificate, key, token].flatMap((material) =>
    material !== undefined && 'file' in material ? [material.file] : [],
  );
}
