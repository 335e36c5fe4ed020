import test from 'ava';
import { decodeBfdProfile } from '../../../src/cluster/decode/bfd-profile.ts';

const read = (spec: object) => decodeBfdProfile({ metadata: { name: 'fast' }, spec });

test('decodeBfdProfile() takes what FRR has where a profile is silent', (t) => {
  const { value, problems } = read({ detectMultiplier: null });
  t.deepEqual(problems, []);
  t.like(value, {
    receiveIntervalMs: 300,
    transmitIntervalMs: 300,
    detectMultiplier: 3,
    echoMode: false,
    passive: false,
    minimumTtl: 254,
  });
});

test('decodeBfdProfile() reads all that can be said', (t) => {
  const { value, problems } = read({
    receiveInterval: 10,
    transmitInterval: 60_000,
    detectMultiplier: 255,
    echoInterval: 50,
    echoMode: true,
    passiveMode: true,
    minimumTtl: 1,
  });
  t.like(value, {
    receiveIntervalMs: 10,
    transmitIntervalMs: 60_000,
    detectMultiplier: 255,
    echoMode: true,
    passive: true,
    minimumTtl: 1,
  });
  t.deepEqual(
    problems.map(({ severity, field }) => `${severity} ${field}`),
    ['warning spec.echoMode'],
  );
});

test('decodeBfdProfile() refuses what MetalLB refuses', (t) => {
  for (const [field, value] of [
    ['receiveInterval', 9],
    ['transmitInterval', 60_001],
    ['echoInterval', 9],
    ['detectMultiplier', 1],
    ['detectMultiplier', 256],
    ['minimumTtl', 0],
    ['minimumTtl', 255],
    ['passiveMode', 'yes'],
  ] as const) {
    const { value: profile, problems } = read({ [field]: value });
    t.is(profile, undefined, field);
    t.is(problems[0]?.field, `spec.${field}`);
  }
});
