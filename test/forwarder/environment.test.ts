import test from 'ava';
import { checkNatPorts } from '../../src/forwarder/environment.ts';

function box(range: string, reserved = '') {
  return (name: string) => (name.endsWith('reserved_ports') ? `${reserved}\n` : `${range}\n`);
}

const ours = { first: 20_000, last: 39_999 };

test("checkNatPorts() is content with ports outside the box's own", (t) => {
  t.notThrows(() => checkNatPorts(ours, box('40000\t60999')));
  t.notThrows(() => checkNatPorts(ours, box('1024\t19999')));
});

test('checkNatPorts() names both ranges and the remedy when they overlap', (t) => {
  t.throws(() => checkNatPorts(ours, box('32768\t60999')), {
    code: 'EADDRINUSE',
    message: /natPorts 20000-39999 .* 32768-60999 .*ip_local_reserved_ports=20000-39999$/,
  });
});

test('checkNatPorts() is content when the box leaves the common ports alone', (t) => {
  t.notThrows(() => checkNatPorts(ours, box('32768\t60999', '20000-39999')));
  t.notThrows(() => checkNatPorts(ours, box('32768\t60999', '8080,36000-40000,32768-35999')));
  t.throws(() => checkNatPorts(ours, box('32768\t60999', '32768-39998')));
  t.throws(() => checkNatPorts(ours, box('32768\t60999', '32769-39999,32700')));
});

test("checkNatPorts() reads this machine's settings", (t) => {
  t.notThrows(() => checkNatPorts({ first: 1, last: 1 }));
});
