import test from 'ava';
import { findingsOf, portErrorsOf } from '../../src/controller/conditions.ts';
import type { Assignment } from '../../src/plan/allocation/assignment.ts';
import { address as addr, service, servicePort, status } from '../support/objects.ts';
import { fakeObserved } from './fake-cluster.ts';

const dual: Assignment = {
  service: 'default/web',
  addresses: [addr('192.0.2.1'), addr('2001:db8::1')],
  pool: 'p',
  refusal: undefined,
};

function finding(assignment: Assignment, observed: ReturnType<typeof fakeObserved>, type: string) {
  return findingsOf(assignment, service('web'), undefined, observed).find(
    (one) => one.type === `tidegate.io/${type}`,
  );
}

test('findingsOf() calls a Service served only when each of its addresses is', (t) => {
  const observed = fakeObserved();
  observed.serve('192.0.2.1', true);
  t.like(finding(dual, observed, 'Serving'), {
    status: 'Unknown',
    reason: 'notForwarded',
    message: 'The forwarder on this box has not reported on 2001:db8::1',
  });
  observed.serve('2001:db8::1', false, 'noEndpoints');
  t.like(finding(dual, observed, 'Serving'), {
    status: 'False',
    reason: 'noEndpoints',
    message:
      '2001:db8::1 has no usable backend: noEndpoints. See by "tidegate explain service" which backends there are and why each is not used',
  });
  observed.serve('2001:db8::1', true);
  t.like(finding(dual, observed, 'Serving'), { status: 'True', reason: 'Serving' });
});

test('findingsOf() says why an address is not announced', (t) => {
  const observed = fakeObserved();
  observed.announce('192.0.2.1', true);
  observed.announce('2001:db8::1', false, 'notOwner');
  t.like(finding(dual, observed, 'Announced'), {
    status: 'False',
    reason: 'notOwner',
    message:
      '2001:db8::1 is not announced: notOwner. See by "tidegate explain service" what is missing',
  });
});

test('findingsOf() gives reasons that are one word', (t) => {
  const observed = fakeObserved();
  observed.serve('192.0.2.1', false, 'no endpoints at all');
  const refusal = {
    reason: 'not enough clusterips',
    message: 'm',
    field: 'spec.ipFamilyPolicy',
    remedy: 'r',
  } as const;
  t.is(finding(dual, observed, 'Serving')?.reason, 'NotServing');
  const refused = finding({ ...dual, addresses: [], pool: '', refusal }, observed, 'Allocated');
  t.like(refused, { status: 'False', reason: 'AllocationFailed' });
});

test('findingsOf() calls a Service allocated that lacks only its second address', (t) => {
  const refusal = {
    reason: 'AdditionalAssignFailed',
    message: 'cannot assign additional IP in PreferDualStack: no available IPs in pool p',
    field: 'spec.ipFamilyPolicy',
    remedy: 'Add ipv6 addresses to IPAddressPool "p"',
  } as const;
  t.like(finding({ ...dual, refusal }, fakeObserved(), 'Allocated'), {
    status: 'True',
    reason: 'AdditionalAssignFailed',
  });
});

test('findingsOf() says which ports are not served, and takes it back', (t) => {
  const sctp = servicePort({ name: 'b', protocol: 'SCTP', port: 36412 });
  const ports = (spec: Parameters<typeof findingsOf>[1], current = status([])) =>
    findingsOf(dual, spec, current, fakeObserved()).find(
      ({ type }) => type === 'LoadBalancerPortsError',
    );
  t.is(ports(service('web')), undefined);
  const mixed = service('web', { ports: [servicePort({ name: 'a' }), sctp] });
  t.like(ports(mixed), {
    status: 'True',
    reason: 'LoadBalancerMixedProtocolNotSupported',
    message:
      'Not served: 36412/SCTP. Only TCP and UDP are; serve SCTP by another way, for example NodePort',
  });
  const only = service('web', { ports: [sctp] });
  t.like(ports(only), { status: 'True', reason: 'ProtocolNotSupported' });
  t.deepEqual(portErrorsOf(only), [
    { port: 36412, protocol: 'SCTP', error: 'tidegate.io/ProtocolNotSupported' },
  ]);
  const said = {
    ...status([]),
    conditions: [
      { type: 'LoadBalancerPortsError', status: 'True', reason: 'R', message: '', sinceMs: 1 },
    ],
  } as const;
  t.like(ports(service('web'), said), { status: 'False', reason: 'PortsSupported' });
});
