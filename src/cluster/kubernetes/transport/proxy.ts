import { parseAddress } from '../../../domain/address.ts';
import { parsePrefix, prefixContains } from '../../../domain/prefix.ts';
import { credentialError } from './credential-file.ts';

type Variables = Readonly<Record<string, string | undefined>>;

const SCHEMES = ['http:', 'https:', 'socks5:', 'socks5h:'];
const PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * The proxy on the way to a server: the kubeconfig's `proxy-url`, else the environment's, by the
 * rules of Go's net/http (golang.org/x/net/http/httpproxy), which kubectl follows. Throws ApiError
 * (`Credentials`) when what is set is no proxy that we know.
 */
export function proxyFor(
  server: URL,
  configured: string | undefined,
  variables: Variables,
): URL | undefined {
  if (configured !== undefined) return parseProxy(configured, 'proxy-url');
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const value = variables[name] || variables[name.toLowerCase()];
  if (!value || isExcepted(server, variables['NO_PROXY'] || variables['no_proxy'] || '')) {
    return undefined;
  }
  return parseProxy(value.includes('://') ? value : `http://${value}`, name);
}

/** A proxy without its user and password. */
export function formatProxy(proxy: URL): string {
  return `${proxy.protocol}//${proxy.host}`;
}

function parseProxy(text: string, field: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The text is not quoted: it may hold a password.
  if (url === undefined || url.hostname === '' || !SCHEMES.includes(url.protocol)) {
    throw credentialError(`${field} must be http://, https:// or socks5://host:port`);
  }
  return url;
}

function isExcepted(server: URL, exceptions: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || isLoopback(host)) return true;
  const port = server.port || PORTS[server.protocol] || '';
  return exceptions
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || excepts(entry, host, port));
}

function excepts(entry: string, host: string, port: string): boolean {
  const address = parseAddress(host);
  const prefix = parsePrefix(entry);
  if (prefix !== undefined) return address !== undefined && prefixContains(prefix, address);
  // A bare IPv6 address ends like a port.
  const parts =
    parseAddress(entry) === undefined ? /^\[?(.*?)\]?(?::(\d+))?$/.exec(entry) : undefined;
  const name = parts?.[1] ?? entry;
  if (parts?.[2] !== undefined && parts[2] !== port) return false;
  const known = parseAddress(name);
  if (known !== undefined || address !== undefined) return known === address;
  const suffix = name.replace(/^\*\./, '.');
  return suffix.startsWith('.') ? host.endsWith(suffix) : isOrBelow(host, suffix);
}

function isOrBelow(host: string, name: string): boolean {
  return host === name || host.endsWith(`.${name}`);
}

function isLoopback(host: string): boolean {
  return host === '::1' || (parseAddress(host) !== undefined && host.startsWith('127.'));
}
