import test from 'ava';
import type { VirtualServer } from '../../../src/domain/forwarding.ts';
import type { Scheduler } from '../../../src/domain/scheduler.ts';
import { createSchedulers } from '../../../src/forwarder/xdp/schedulers.ts';
import { backendOf, layout, serverOf } from '../../support/dataplane-bench.ts';

const schedulers = createSchedulers(layout);
const CLIENT_ONLY = layout.constant('TG_VIP_HASH_CLIENT_ONLY');
const RESET_DEAD = layout.constant('TG_VIP_RESET_DEAD');

function server(scheduler: Scheduler, fields: Partial<VirtualServer> = {}): VirtualServer {
  return serverOf([backendOf(1)], { scheduler, ...fields });
}

test('numberOf() knows each scheduler, and how its ring is read', (t) => {
  const numbers = {
    maglev: 'TG_SCHEDULER_HASH',
    'source-hash': 'TG_SCHEDULER_HASH',
    'round-robin': 'TG_SCHEDULER_ROUND_ROBIN',
    'least-connections': 'TG_SCHEDULER_LEAST',
  } as const;
  for (const [scheduler, constant] of Object.entries(numbers)) {
    t.is(schedulers.numberOf(server(scheduler as Scheduler)), layout.constant(constant));
  }
  const rendezvous = schedulers.numberOf(server('source-hash', { choice: 'rendezvous' }));
  t.is(rendezvous, layout.constant('TG_SCHEDULER_RENDEZVOUS'));
  t.is(schedulers.wordsAPlace(rendezvous), 2);
  t.is(schedulers.wordsAPlace(layout.constant('TG_SCHEDULER_LEAST')), 1);
});

test('vipFlagsOf() has the client alone choose for source-hash and affinity', (t) => {
  t.is(schedulers.vipFlagsOf(server('maglev')), 0);
  t.is(schedulers.vipFlagsOf(server('source-hash')), CLIENT_ONLY);
  t.is(schedulers.vipFlagsOf(server('maglev', { affinityTimeoutSec: 1 })), CLIENT_ONLY);
  t.is(schedulers.vipFlagsOf(server('maglev', { resetDead: true })), RESET_DEAD);
  const all = { affinityTimeoutSec: 1, resetDead: true };
  t.is(schedulers.vipFlagsOf(server('source-hash', all)), CLIENT_ONLY | RESET_DEAD);
});

test('policyOf() counts flows for least-connections alone', (t) => {
  const policy = (scheduler: Scheduler) => schedulers.policyOf(server(scheduler)).counted;
  t.true(policy('least-connections'));
  t.false(policy('round-robin'));
  t.true(schedulers.policyOf(server('maglev', { resetDead: true })).resetDead);
});
