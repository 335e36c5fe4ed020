import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createLab, type Lab } from '../../lab/lab.ts';

/** Asks a kernel: each question on a host of the lab, as a program of its own. */
const program = fileURLToPath(new URL('rtnetlink-program.ts', import.meta.url));

let lab: Lab;
let answers: Record<string, unknown>;

test.before(async () => {
  lab = createLab();
  const [left, right] = [lab.host('left'), lab.host('right')];
  lab.cable(
    { host: left, name: 'eth0', addresses: ['10.1.0.1/24', '2001:db8:1::1/64'] },
    { host: right, name: 'eth0', addresses: ['10.1.0.2/24', '2001:db8:1::2/64'] },
  );
  right.ip('link set eth0 address 02:00:00:00:00:02');
  left.ip('route add 10.2.0.0/16 via 10.1.0.2', 'route add unreachable 10.5.0.0/16');
  const { stdout, stderr } = await left.finish([process.execPath, program]);
  answers = stdout === '' ? { stderr } : JSON.parse(stdout);
});

test.after.always(() => lab?.remove());

test('links(), addresses() and routeTo() answer as the kernel has it', (t) => {
  t.deepEqual(answers['links'], ['lo', 'eth0']);
  t.true((answers['addresses'] as string[]).includes('10.1.0.1'));
  t.true((answers['addresses'] as string[]).includes('2001:db8:1::1'));
  t.is(answers['gateway'], '10.1.0.2');
  t.is(answers['unreachable'], 'EHOSTUNREACH');
  t.is(answers['none'], 'ENETUNREACH');
});

test('ten thousand questions at once are all answered', (t) => {
  t.is(answers['many'], 10_000);
});

test('useNeighbour() has the kernel resolve a neighbour, which is told of', (t) => {
  t.deepEqual(answers['resolved'], [
    '10.1.0.2 02:00:00:00:00:02',
    '2001:db8:1::2 02:00:00:00:00:02',
  ]);
});

test('useNeighbour() rejects for an interface that does not exist', (t) => {
  t.is(answers['noInterface'], 'ENODEV');
});

test('events tell of addresses and routes that come and go', (t) => {
  t.deepEqual(answers['events'], [
    'address 10.3.0.1 added',
    'route 10.4.0.0/16 added',
    'route 10.4.0.0/16 removed',
    'address 10.3.0.1 removed',
  ]);
});
