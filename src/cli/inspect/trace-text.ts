import type { TracedPacket } from '../../admin/api-inspect.ts';

type Step = TracedPacket['steps'][number];
type Facts = Step['facts'];

const SCHEDULERS: Readonly<Record<string, string>> = {
  rendezvous: 'the highest hash among its backends',
  hash: "the client's place in the Maglev table",
  'round-robin': 'the next in turn',
  least: 'the one of two with fewer flows',
};

/** What is counted beside the verdict, which tells of drops. */
const COUNTED: Readonly<Record<string, string>> = {
  flow_created: 'The new flow is counted',
  flow_displaced: 'An unconfirmed flow ends for it',
  fragment_held: 'It is kept until the first fragment of its datagram has come',
  echo_replied: 'The echo request is answered',
  icmp_forwarded: 'An error about a packet of a flow: translated for the backend',
  icmp_returned: 'An error about a packet of a flow: translated for the client',
  icmp_sent: 'An ICMP error goes back',
  reset_sent: 'A TCP reset goes back',
  reply_withheld: 'Nothing goes back: forwarder.flood.repliesPerSecond is reached',
  cookie_sent: 'There are too many new flows: a SYN cookie goes back',
  cookie_returned: 'It brings back the SYN cookie that it was sent',
};

/** What a step of a trace means, in words; empty for what the verdict says anyway. */
const SENTENCES: Readonly<Record<string, (facts: Facts) => string>> = {
  foreign: () => 'No plain IP over Ethernet',
  whole: () => 'TCP or UDP, whole and consistent',
  icmp: () => 'An ICMP message',
  other_protocol: () => 'Neither TCP, UDP nor ICMP',
  fragment: () => 'A fragment',
  malformed: () => 'A length or header lies',
  refused: () => 'Read, and refused for what its headers ask',
  vip_port: ({ server, scheduler, places }) =>
    places === 0
      ? `For the VIP ${server}, where no backend takes new flows`
      : `For the VIP ${server}; new flows go to ${SCHEDULERS[String(scheduler)] ?? scheduler}`,
  vip_address: () => 'For the address of a VIP, and none of the ports it serves',
  not_vip: () => 'For no VIP',
  answer: (facts) => `An answer from ${facts['backend']} ${flowText(facts)}`,
  flow_found: (facts) => `Its flow goes to ${facts['backend']} ${flowText(facts)}`,
  flow_none: () => 'No flow is known: a new one is to be opened',
  flow_moves: () => 'Its flow is over, or its backend gone: it is to be opened anew',
  source_range: ({ admitted }) =>
    admitted
      ? 'Its source is in the allowed ranges'
      : 'Its source is in none of the allowed ranges',
  affinity: ({ backend }) =>
    backend ? `The client was with ${backend} before` : "The client's former backend is gone",
  drawn: ({ backend }) =>
    backend ? `The choice falls on ${backend}` : 'The choice falls on nobody who takes new flows',
  slow_start: ({ backend, takesOf256 }) =>
    `${backend} is in slow start, takes ${percent(takesOf256)} and not this one: another choice`,
  backend: backendText,
  claimed: ({ entry, was }) =>
    was === 'free'
      ? `Entry ${entry} of the flow table is free`
      : `Entry ${entry} of the flow table is taken over from a flow that was ${was}`,
  displaced: ({ entry, was }) =>
    `The table is full here: the flow in entry ${entry} gives way, it was ${was}`,
  nat: ({ natAddress, natPort, failedTries }) =>
    `It leaves from ${natAddress} port ${natPort}${failedTries ? `, after ${failedTries} taken ports` : ''}`,
  followed: ({ before, state, flags }) => {
    const change =
      before === state ? `The flow stays ${state}` : `The flow was ${before}, is ${state}`;
    return flags ? `${change} (${flags})` : change;
  },
  sent: ({ interface: port }) => `It goes out by ${port}`,
  counted: ({ counter }) => COUNTED[String(counter)] ?? '',
};

export function stepText({ name, facts }: Step): string {
  const sentence = SENTENCES[name];
  if (sentence) return sentence(facts);
  const known = Object.entries(facts).map(([key, value]) => `${key} ${value}`);
  return [name.replaceAll('_', ' '), ...known].join(', ');
}

function flowText({ state, natAddress, natPort, idleSeconds }: Facts): string {
  return `(${state}, idle ${idleSeconds} s, NAT ${natAddress} port ${natPort})`;
}

function backendText(facts: Facts): string {
  const { backend, reachable, nextHopMac, mtu, vlan } = facts;
  if (!reachable) return `${backend} cannot be reached: its next hop is not known`;
  const tag = vlan === undefined ? '' : `, VLAN ${vlan}`;
  return `${backend} is behind ${nextHopMac} on ${facts['interface']}${tag}, MTU ${mtu}`;
}

function percent(of256: unknown): string {
  return `${Math.round((Number(of256) / 256) * 100)} %`;
}
