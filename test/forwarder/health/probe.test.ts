import test from 'ava';
import { outcomeOfError } from '../../../src/forwarder/health/probe.ts';

function error(code: string, message = 'as the system says it'): Error {
  return Object.assign(new Error(message), { code });
}

test('outcomeOfError() says in words what the network or the backend did', (t) => {
  const cases = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset',
    EHOSTUNREACH: 'no route to host',
    ENETUNREACH: 'network unreachable',
    EPERM: 'not permitted by this box',
    EWHATEVER: 'as the system says it',
  };
  for (const [code, reason] of Object.entries(cases)) {
    t.deepEqual(outcomeOfError(error(code)), { pass: false, reason });
  }
});

test('outcomeOfError() blames no backend for what this box lacks', (t) => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EAGAIN', 'ENOTCONN']) {
    t.is(outcomeOfError(error(code)).pass, undefined, code);
  }
});

test('outcomeOfError() takes the words out of what OpenSSL says', (t) => {
  const message =
    'write EPROTO 40:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../a.c:77:\n';
  t.deepEqual(outcomeOfError(error('EPROTO', message)), {
    pass: false,
    reason: 'TLS: wrong version number',
  });
});
