import test from 'ava';
import fc from 'fast-check';
import {
  decodeServiceStatus,
  encodeServiceStatus,
} from '../../../src/cluster/files/service-status.ts';
import { addressFromBigInt } from '../../../src/domain/address.ts';
import { EVENTS_PER_SERVICE, type ServiceStatus } from '../../../src/domain/service.ts';
import { status } from '../../support/objects.ts';

const ms = fc.nat();
const statuses: fc.Arbitrary<ServiceStatus> = fc.record({
  addresses: fc.array(fc.bigInt(0n, (1n << 128n) - 1n).map(addressFromBigInt), { maxLength: 3 }),
  hostnames: fc.array(fc.string(), { maxLength: 2 }),
  ports: fc.array(
    fc.record({
      port: fc.integer({ min: 1, max: 65_535 }),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const, 'SCTP' as const),
      error: fc.string(),
    }),
    { maxLength: 2 },
  ),
  guarded: fc.constant(true),
  pool: fc.string(),
  conditions: fc.array(
    fc.record({
      type: fc.string(),
      status: fc.constantFrom('True', 'False', 'Unknown'),
      reason: fc.string(),
      message: fc.string(),
      sinceMs: ms,
    }),
    { maxLength: 2 },
  ),
  events: fc.array(
    fc.record({
      type: fc.constantFrom('Normal', 'Warning'),
      reason: fc.string(),
      message: fc.string(),
      firstMs: ms,
      lastMs: ms,
      count: fc.integer({ min: 1 }),
    }),
    { maxLength: EVENTS_PER_SERVICE },
  ),
});

test('decodeServiceStatus() reads back what encodeServiceStatus() wrote', (t) => {
  fc.assert(
    fc.property(statuses, (value) => {
      const json = JSON.parse(JSON.stringify(encodeServiceStatus(value)));
      const decoded = decodeServiceStatus(json);
      t.deepEqual(decoded.problems, []);
      t.deepEqual(decoded.value, value);
    }),
    { numRuns: 200 },
  );
});

test('encodeServiceStatus() keeps the newest events only', (t) => {
  const events = Array.from({ length: 15 }, (_, count) => ({
    type: 'Normal' as const,
    reason: 'r',
    message: 'm',
    firstMs: 0,
    lastMs: count,
    count: 1,
  }));
  const { value } = decodeServiceStatus(encodeServiceStatus({ ...status([]), events }));
  t.deepEqual(
    value?.events.map(({ lastMs }) => lastMs),
    [5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  );
});

test('decodeServiceStatus() refuses another version and bad fields', (t) => {
  const good = encodeServiceStatus(status(['192.0.2.1'])) as object;
  t.truthy(decodeServiceStatus(good).value);
  for (const change of [
    { version: 2 },
    { addresses: ['x'] },
    { addresses: 'x' },
    { conditions: [{ status: 'Maybe' }] },
    { events: Array(11).fill({}) },
    { pool: 7 },
  ])
    t.is(decodeServiceStatus({ ...good, ...change }).value, undefined);
});

test('decodeServiceStatus() never throws', (t) => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      t.notThrows(() => decodeServiceStatus(value));
    }),
    { numRuns: 200 },
  );
});
