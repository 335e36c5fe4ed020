import test from 'ava';
import { ApiError } from '../../../../src/cluster/kubernetes/transport/api-error.ts';
import { formatProxy, proxyFor } from '../../../../src/cluster/kubernetes/transport/proxy.ts';

const HTTPS_PROXY = 'http://proxy:3128';

for (const [server, NO_PROXY, isExcepted] of [
  ['https://api.example.com:6443', '', false],
  ['https://api.example.com:6443', '*', true],
  ['https://api.example.com:6443', 'example.com', true],
  ['https://api.example.com:6443', '.example.com', true],
  ['https://api.example.com:6443', '*.example.com', true],
  ['https://example.com', '.example.com', false],
  ['https://example.com', 'EXAMPLE.com', true],
  ['https://notexample.com', 'example.com', false],
  ['https://api.example.com:6443', ' a , example.com:6443', true],
  ['https://api.example.com:6443', 'example.com:443', false],
  ['https://api.example.com', 'example.com:443', true],
  ['https://10.1.2.3:6443', '10.0.0.0/8', true],
  ['https://10.1.2.3:6443', '10.1.2.3', true],
  ['https://10.1.2.3:6443', '10.1.2.3:6443', true],
  ['https://10.1.2.3:6443', '10.1.2.3:443', false],
  ['https://10.1.2.3:6443', '2.3', false],
  ['https://11.1.2.3:6443', '10.0.0.0/8', false],
  ['https://[fd00::1]:6443', 'fd00::/8', true],
  ['https://[fd00::1]:6443', 'fd00::1', true],
  ['https://[fd00::1]:6443', '[fd00:0::1]:6443', true],
  ['https://[fd00::1]:6443', '[fd00::1]:443', false],
  ['https://localhost:6443', '', true],
  ['https://127.0.0.1:6443', '', true],
  ['https://127.9.9.9:6443', '', true],
  ['https://[::1]:6443', '', true],
] as const) {
  test(`proxyFor() ${isExcepted ? 'excepts' : 'asks the proxy for'} ${server} by NO_PROXY "${NO_PROXY}"`, (t) => {
    const proxy = proxyFor(new URL(server), undefined, { HTTPS_PROXY, NO_PROXY });
    t.is(proxy === undefined, isExcepted);
  });
}

test('proxyFor() prefers what the kubeconfig says, without exception', (t) => {
  const variables = { HTTPS_PROXY, NO_PROXY: '*' };
  const proxy = proxyFor(new URL('https://127.0.0.1'), 'socks5://user:pass@p:1', variables);
  t.is(proxy && formatProxy(proxy), 'socks5://p:1');
});

test('proxyFor() reads the variable of the server’s scheme, in either case', (t) => {
  const proxy = (server: string, variables: Record<string, string>) =>
    proxyFor(new URL(server), undefined, variables)?.host;
  t.is(proxy('https://a', { https_proxy: 'p:1' }), 'p:1');
  t.is(proxy('https://a', { HTTP_PROXY: 'p:1' }), undefined);
  t.is(proxy('http://a', { HTTP_PROXY: 'p:1' }), 'p:1');
  t.is(proxy('https://a', { HTTPS_PROXY: 'p:1', no_proxy: 'a' }), undefined);
});

test('proxyFor() refuses what is no proxy, and does not quote its password', (t) => {
  for (const text of ['ftp://u:secret@p:1', 'secret', 'http://']) {
    const error = t.throws(() => proxyFor(new URL('https://a'), text, {}), {
      instanceOf: ApiError,
    });
    t.is(error.reason, 'Credentials');
    t.notRegex(error.message, /secret/);
  }
});
