import { Writable } from 'node:stream';
import test from 'ava';
import { createLog, type LogOptions } from '../../src/telemetry/log.ts';

function recordingLog(options: Partial<LogOptions> = {}, isTTY = false) {
  let text = '';
  const stream = Object.assign(
    new Writable({
      write(chunk, _encoding, done) {
        text += chunk;
        done();
      },
    }),
    { isTTY },
  );
  const log = createLog({ level: 'info', format: 'auto', ...options, stream });
  return {
    log,
    text: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return text;
    },
  };
}

test('createLog() writes one JSON line an event, with the fields of its parents', async (t) => {
  const { log, text } = recordingLog();
  log.child({ role: 'speaker' }).child({ revision: 7 }).info('Announced', { vip: '192.0.2.1' });
  const { time, ...line } = JSON.parse(await text());
  t.deepEqual(line, {
    level: 'info',
    role: 'speaker',
    revision: 7,
    vip: '192.0.2.1',
    msg: 'Announced',
  });
  t.regex(time, /^\d{4}-\d\d-\d\dT.*Z$/);
});

test('createLog() leaves out what is below its level', async (t) => {
  const { log, text } = recordingLog({ level: 'warn' });
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  t.deepEqual(
    (await text())
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg),
    ['c', 'd'],
  );
});

test('createLog() redacts secrets at three depths', async (t) => {
  const { log, text } = recordingLog();
  log.info('Set', { token: 'hush', peer: { password: 'hush', tcp: { secret: 'hush' } } });
  const written = await text();
  t.notRegex(written, /hush/);
  t.is(JSON.parse(written).peer.password, '[redacted]');
});

test('createLog() writes bigints at any depth', async (t) => {
  const { log, text } = recordingLog();
  log.info('Counted', { count: 2n ** 64n, deep: { count: 5n } });
  const line = JSON.parse(await text());
  t.is(line.count, '18446744073709551616');
  t.is(line.deep.count, 5);
});

test('createLog() writes an error as its message, code and causes, in one line', async (t) => {
  const { log, text } = recordingLog();
  const cause = Object.assign(new Error('No such device'), { code: 'ENODEV' });
  log.error('Attach failed', { error: new Error('Cannot attach to "eth9"', { cause }) });
  const written = await text();
  t.is(written.trim().split('\n').length, 1);
  t.is(JSON.parse(written).error, 'Cannot attach to "eth9": No such device (ENODEV)');
  t.true(JSON.parse(written).stack.length > 0);
});

test('createLog() is readable on a terminal and still one line an event', async (t) => {
  const { log, text } = recordingLog({}, true);
  log.warn('Backend down', { backend: '10.0.0.1:80', error: new Error('refused') });
  const written = await text();
  t.regex(written, /WARN/);
  t.regex(written, /Backend down/);
  t.regex(written, /10\.0\.0\.1:80/);
  t.is(written.trim().split('\n').length, 1);
});

test('createLog() follows its format, not the terminal, when told', async (t) => {
  const json = recordingLog({ format: 'json' }, true);
  json.log.info('x');
  t.is(JSON.parse(await json.text()).msg, 'x');
  const pretty = recordingLog({ format: 'pretty' }, false);
  pretty.log.info('x');
  t.false(/^\{/.test(await pretty.text()) || (await pretty.text()).includes('\u001b'));
});

test('createLog() tells a cause once, and where an error was thrown only when it is a bug', async (t) => {
  const { log, text } = recordingLog();
  const cause = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
  const error = Object.assign(new Error(`Cannot write: ${cause.message}`, { cause }), {
    code: 'ENOSPC',
  });
  log.error('Disk', { error });
  log.error('Bug', { error: new TypeError('x is undefined') });
  const [disk, bug] = (await text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.is(disk.error, 'Cannot write: ENOSPC: no space left');
  t.is(disk.stack, undefined);
  t.true(bug.stack.length > 0);
});
